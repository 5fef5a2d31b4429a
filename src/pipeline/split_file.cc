#include "pipeline/split_file.h"

#include <algorithm>

namespace sluice {

int64_t parts_wanted(int64_t size_bytes, int64_t batch_bytes, int threads) {
  if (size_bytes < 2 * kSplitBytes) return 1;
  const auto share = static_cast<int64_t>(threads * (static_cast<double>(size_bytes) / static_cast<double>(batch_bytes)) + 0.999);
  return std::clamp<int64_t>(std::min(share, size_bytes / kSplitBytes), 1, threads);
}

std::vector<ByteRange> join_ranges(const std::vector<ByteRange>& ranges, int64_t count) {
  const auto all = std::ssize(ranges);
  count = std::min(count, all);
  std::vector<ByteRange> joined;
  for (int64_t i = 0; i < count; ++i) {
    const ByteRange& first = ranges[static_cast<size_t>(all * i / count)];
    const ByteRange& last = ranges[static_cast<size_t>(all * (i + 1) / count - 1)];
    joined.push_back({first.offset, last.length < 0 ? -1 : last.offset + last.length - first.offset});
  }
  return joined;
}

}  // namespace sluice
