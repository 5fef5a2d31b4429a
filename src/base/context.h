// What travels with every operation that may wait: deadline, stop request and the ids that logs show. A value; cheap to copy.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace sluice {

struct Context {
  std::stop_token stop = {};
  std::optional<Timestamp> deadline = {};  ///< on the clock of the process; nullopt: none
  std::string run_id = {};
  std::string batch_id = {};

  /// kCancelled once a stop was requested; operations call it between steps.
  Result<void> check() const {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped on request");
    return {};
  }
};

}  // namespace sluice
