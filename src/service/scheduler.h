// Makes a run whenever a schedule is due. Keeps no state but a cache: what fired lies in the ledger, so that restarts and other servers
// see the same. Not thread-safe.
#pragma once

#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "ledger/run_queue.h"

namespace sluice {

class Scheduler {
 public:
  using IsOurs = std::function<bool(const Ingestion&)>;

  /// `is_ours`: whose schedules fire here; none: all.
  Scheduler(RunQueue& queue, Clock& clock, Log& log, int64_t pending_max, IsOurs is_ours = {})
      : queue_(queue), clock_(clock), log_(log), pending_max_(pending_max), is_ours_(std::move(is_ours)) {}

  /// Asks for a run of every ingestion that is due; returns how many were made. Firings that were missed become one; one that finds its
  /// ingestion at work stays due, so that runs never overlap and none is lost.
  Result<int64_t> fire_due();

 private:
  RunQueue& queue_;
  Clock& clock_;
  Log& log_;
  const int64_t pending_max_;
  const IsOurs is_ours_;
};

}  // namespace sluice
