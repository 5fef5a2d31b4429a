// A range of an object as its first byte and the one behind its last. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/byte_source.h"

namespace sluice {

struct ByteExtent {
  int64_t begin = 0;
  int64_t end = 0;
};

/// What of `range` lies within an object of `size_bytes`; empty where nothing does.
inline ByteExtent extent_within(ByteRange range, int64_t size_bytes) {
  const int64_t begin = std::clamp<int64_t>(range.offset, 0, size_bytes);
  const int64_t rest = size_bytes - begin;
  return {begin, begin + (range.length < 0 ? rest : std::min(range.length, rest))};
}

}  // namespace sluice
