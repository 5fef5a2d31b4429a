// Time as a value, and the only way to ask for it or to wait. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace sluice {

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
struct Timestamp {
  int64_t micros = 0;

  auto operator<=>(const Timestamp&) const = default;
  Timestamp operator+(std::chrono::microseconds d) const { return {micros + d.count()}; }
  Timestamp operator-(std::chrono::microseconds d) const { return {micros - d.count()}; }
  std::chrono::microseconds operator-(Timestamp other) const { return std::chrono::microseconds(micros - other.micros); }
};

/// RFC 3339 in UTC with microseconds: "2026-11-21T11:08:00.000000Z".
std::string to_text(Timestamp time);

/// Reads RFC 3339 ("2026-11-21T11:08:00[.ffffff](Z|+hh:mm)") or a bare date (midnight UTC); nullopt where it is neither.
std::optional<Timestamp> parse_timestamp(std::string_view text);

/// Wall time and waiting. Injected, so that tests own time.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() = 0;
  /// Time that never goes back, for durations: microseconds since an arbitrary start.
  virtual int64_t monotonic_micros() = 0;
  /// Waits; returns false at once when `stop` is requested.
  virtual bool sleep(std::chrono::microseconds duration, std::stop_token stop) = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp now() override;
  int64_t monotonic_micros() override;
  bool sleep(std::chrono::microseconds duration, std::stop_token stop) override;
};

/// A clock that moves only when told to (or slept on). Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = {1'700'000'000'000'000}) : micros_(start.micros) {}
  Timestamp now() override { return {micros_.load()}; }
  int64_t monotonic_micros() override { return micros_.load(); }
  bool sleep(std::chrono::microseconds duration, std::stop_token stop) override {
    micros_ += duration.count();
    return !stop.stop_requested();
  }
  void advance(std::chrono::microseconds duration) { micros_ += duration.count(); }

 private:
  std::atomic<int64_t> micros_;
};

}  // namespace sluice
