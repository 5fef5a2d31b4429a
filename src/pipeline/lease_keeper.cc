#include "pipeline/lease_keeper.h"

namespace sluice {

LeaseKeeper::LeaseKeeper(WorkLedger& ledger, const Lease& lease, std::chrono::microseconds duration, const Context& outer)
    : ledger_(ledger),
      lease_(lease),
      duration_(duration),
      outer_(outer),
      outer_stops_inner_(outer.stop, [this] { inner_.request_stop(); }),
      thread_([this](std::stop_token stop) { renew_until_stopped(stop); }) {}

LeaseKeeper::~LeaseKeeper() = default;

Context LeaseKeeper::context() const {
  Context context = outer_;
  context.stop = inner_.get_token();
  return context;
}

bool LeaseKeeper::lost() const {
  std::lock_guard lock(mutex_);
  return lost_;
}

void LeaseKeeper::renew_until_stopped(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, stop, duration_ / 3, [] { return false; });
    if (stop.stop_requested()) return;
    lock.unlock();
    auto renewed = ledger_.renew(lease_, duration_);
    lock.lock();
    // Anything but a refusal is tried again: the lease has two more thirds to go, and every write checks the epoch anyway.
    if (!renewed && renewed.error().code == ErrorCode::kConflict) {
      lost_ = true;
      inner_.request_stop();
      return;
    }
  }
}

}  // namespace sluice
