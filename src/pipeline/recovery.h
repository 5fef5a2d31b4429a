// Rule R: what is done about batches whose worker is gone, before every run, on takeover and on the operator's behalf.
#pragma once

#include "base/context.h"
#include "base/error.h"
#include "pipeline/engine.h"
#include "pipeline/publish.h"

namespace sluice {

struct Recovery {
  Publisher publisher;
  WorkerId worker;
  std::chrono::microseconds lease;
  RunObserver& observer;
  Doubt doubt = Doubt::kStop;  ///< kOperatorDecides: `forget` gives up what rules M, P and T would stop at
};

/// Finishes or withdraws every batch of a dead worker, oldest first; returns how many. Errors as publish_and_confirm.
Result<int64_t> recover_dead_batches(const Recovery& recovery, Context& context);

/// A stalled worker may complete an upload late: deletes the objects of withdrawn batches, again and again for a day, and what attempts
/// left of published ones that were taken over, a day after their end.
Result<void> sweep_ended_batches(const Recovery& recovery, Context& context);

}  // namespace sluice
