#include "base/backoff.h"

#include <algorithm>

#include "base/ids.h"

namespace sluice {

std::chrono::microseconds Backoff::next() {
  const std::chrono::microseconds whole = next_;
  next_ = std::min(next_ * 2, max_);
  const int64_t half = whole.count() / 2;
  return whole - std::chrono::microseconds(half > 0 ? new_snapshot_id() % (half + 1) : 0);
}

}  // namespace sluice
