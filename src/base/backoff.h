// How long to wait before trying again: longer each time, and never in step with others who failed at the same moment.
#pragma once

#include <chrono>

namespace sluice {

/// Waits that double from `first` up to `max`, each shortened by a random part of at most its half. Not thread-safe.
class Backoff {
 public:
  Backoff(std::chrono::microseconds first, std::chrono::microseconds max) : next_(first), max_(max) {}
  std::chrono::microseconds next();

 private:
  std::chrono::microseconds next_;
  const std::chrono::microseconds max_;
};

}  // namespace sluice
