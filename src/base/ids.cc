#include "base/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "base/clock.h"

namespace sluice {
namespace {

/// From the kernel and not from a seeded generator: two processes forked at once must not make the same id.
uint64_t random_bits() {
  uint64_t bits = 0;
  ssize_t got;
  do {
    got = getrandom(&bits, sizeof bits, 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof bits) std::abort();  // a kernel without randomness cannot promise unique names
  return bits;
}

}  // namespace

std::string new_uuid() {
  static std::atomic<uint64_t> last_tick{0};
  // Ids of one process keep their order within a millisecond: the 12 bits after the time count up.
  uint64_t tick = static_cast<uint64_t>(SystemClock().now().micros) / 1000 << 12;
  uint64_t previous = last_tick.load();
  uint64_t mine;
  do {
    mine = tick > previous ? tick : previous + 1;
  } while (!last_tick.compare_exchange_weak(previous, mine));

  const uint64_t millis = mine >> 12;
  const uint64_t random = random_bits();
  return fmt::format("{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}", (millis >> 16) & 0xffffffff, millis & 0xffff, mine & 0xfff,
                     0x8000 | ((random >> 48) & 0x3fff), random & 0xffffffffffff);
}

int64_t new_snapshot_id() {
  int64_t id;
  do {
    id = static_cast<int64_t>(random_bits() & 0x7fffffffffffffff);
  } while (id == 0);
  return id;
}

}  // namespace sluice
