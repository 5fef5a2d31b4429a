// Sizes in bytes, for limits that carry their unit in their name.
#pragma once

#include <cstdint>

namespace sluice {

inline constexpr int64_t kKiB = 1024;
inline constexpr int64_t kMiB = 1024 * kKiB;
inline constexpr int64_t kGiB = 1024 * kMiB;

}  // namespace sluice
