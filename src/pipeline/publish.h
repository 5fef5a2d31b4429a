// Publish, confirm and withdraw: the steps of the protocol after prepare, each safe to repeat. docs: ARCHITECTURE.md.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "ledger/work_ledger.h"
#include "model/batch.h"
#include "model/ingestion.h"
#include "pipeline/sink.h"

namespace sluice {

/// What publishing needs; outlives the calls.
struct Publisher {
  WorkLedger& ledger;
  Sink& sink;
  Clock& clock;
  const Ingestion& ingestion;
};

enum class PublishEnd {
  kConfirmed,
  kWithdrawn,  ///< given up safely (rule W): its files are DISCOVERED again
};

/// Takes a PREPARED batch to COMMITTED: attempts of (a) load, (b) ask the ledger, (c) look for ourselves, (d) compare-and-set, until one
/// ends. A definite refusal that is no race withdraws the batch. Errors: kConflict: the batch is no longer ours; kCorruption: rules M, P
/// or T stop (nothing was changed); kOutcomeUnknown, kUnavailable: the batch stays PREPARED and recovery finishes it.
Result<PublishEnd> publish_and_confirm(const Publisher& publisher, const Lease& lease, const PreparedBatch& batch, Published& published,
                                       Context& context);

/// What to do where rule P says rolled_back or unprovable: stop for the operator, or, when it is the operator who gives the batch up,
/// take it as not in the table.
enum class Doubt { kStop, kOperatorDecides };

/// Rule W: gives up a PREPARED or WITHDRAWING batch: fence, look once more, release its files, delete its objects.
/// kConfirmed where the look found it in the table.
Result<PublishEnd> withdraw(const Publisher& publisher, const Lease& lease, const PreparedBatch& batch, BatchState state,
                            std::string_view reason, Doubt doubt, Published& published, Context& context);

/// A ledger write that answered "unknown" or "unavailable" is asked again until it is known, at most kLedgerRetriesMax times.
template <class Write>
auto settle_ledger_write(Clock& clock, const Context& context, Write write) -> decltype(write()) {
  constexpr int kLedgerRetriesMax = 8;
  auto delay = std::chrono::milliseconds(20);
  for (int attempt = 1;; ++attempt) {
    auto result = write();
    if (result || attempt == kLedgerRetriesMax) return result;
    if (result.error().code != ErrorCode::kOutcomeUnknown && result.error().code != ErrorCode::kUnavailable) return result;
    clock.sleep(delay, context.stop);
    delay *= 2;
  }
}

}  // namespace sluice
