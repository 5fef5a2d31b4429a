// How many requests each caller may make: a bucket of tokens that fills with time. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace sluice {

class RateLimit {
 public:
  /// `per_second` on average, twice as many in a burst; 0: no limit.
  RateLimit(Clock& clock, double per_second) : clock_(clock), per_second_(per_second) {}

  /// 0: go on. Else the seconds after which to try again.
  int64_t wait_seconds(const std::string& caller);

 private:
  struct Bucket {
    double requests = 0;
    int64_t at_micros = 0;
  };

  Clock& clock_;
  const double per_second_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;  // protected by mutex_
};

/// Callers remembered at once; above it those that may burst again are forgotten.
inline constexpr size_t kCallersMax = 10'000;

}  // namespace sluice
