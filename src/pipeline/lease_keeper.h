// Keeps a batch's lease alive while its worker is busy, and stops the worker when the lease is lost. One thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/context.h"
#include "ledger/work_ledger.h"

namespace sluice {

class LeaseKeeper {
 public:
  /// Renews every third of `duration`. `outer.stop` also stops the inner context.
  LeaseKeeper(WorkLedger& ledger, const Lease& lease, std::chrono::microseconds duration, const Context& outer);
  ~LeaseKeeper();

  /// `outer`, but stopped as well once the lease is lost.
  Context context() const;
  /// Whether another worker took the batch over.
  bool lost() const;

 private:
  void renew_until_stopped(std::stop_token stop);

  WorkLedger& ledger_;
  const Lease lease_;
  const std::chrono::microseconds duration_;
  const Context outer_;
  std::stop_source inner_;
  std::stop_callback<std::function<void()>> outer_stops_inner_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  bool lost_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sluice
