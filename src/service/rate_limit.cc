#include "service/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace sluice {

int64_t RateLimit::wait_seconds(const std::string& caller) {
  if (per_second_ <= 0) return 0;
  const double burst = std::max(1.0, 2 * per_second_);
  const int64_t now = clock_.monotonic_micros();
  std::lock_guard lock(mutex_);
  const auto filled = [&](const Bucket& bucket) {
    return std::min(burst, bucket.requests + static_cast<double>(now - bucket.at_micros) / 1e6 * per_second_);
  };
  if (buckets_.size() >= kCallersMax) {
    std::erase_if(buckets_, [&](const auto& entry) { return filled(entry.second) >= burst; });
    if (buckets_.size() >= kCallersMax && !buckets_.contains(caller)) return 1;
  }
  Bucket& bucket = buckets_.try_emplace(caller, Bucket{burst, now}).first->second;
  bucket.requests = filled(bucket);
  bucket.at_micros = now;
  if (bucket.requests < 1) return std::max<int64_t>(1, static_cast<int64_t>(std::ceil((1 - bucket.requests) / per_second_)));
  bucket.requests -= 1;
  return 0;
}

}  // namespace sluice
