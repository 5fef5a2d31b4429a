// Requests that went out without an answer and take effect later. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace sluice {

class LateRequests {
 public:
  /// `send` says whether it was accepted; it is called before the `late_by`-th call of land_due() from now.
  void add(int late_by, std::function<bool()> send) {
    const std::lock_guard lock(mutex_);
    late_.push_back({late_by, std::move(send)});
  }

  /// One more operation is about to happen: those whose time has come land first.
  void land_due() {
    std::vector<std::function<bool()>> due;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(late_, [&due](Late& late) {
        if (--late.operations_left > 0) return false;
        due.push_back(std::move(late.send));
        return true;
      });
    }
    for (const auto& send : due) (void)send();
  }

  /// Lets every request in flight land now; returns how many were accepted.
  int64_t land_all() {
    std::vector<Late> late;
    {
      const std::lock_guard lock(mutex_);
      late = std::exchange(late_, {});
    }
    int64_t accepted = 0;
    for (const Late& request : late) accepted += request.send();
    return accepted;
  }

  int64_t count() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(late_.size());
  }

 private:
  struct Late {
    int operations_left = 0;
    std::function<bool()> send;
  };

  mutable std::mutex mutex_;
  std::vector<Late> late_;  // protected by mutex_
};

}  // namespace sluice
