#include "formats/orc_tail.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <fmt/format.h>

#include "base/units.h"

namespace sluice {
namespace {

constexpr int64_t kPostscriptBytesMax = 255;              // its length is the file's last byte
constexpr uint64_t kCompressionBlockBytesMax = 8 * kMiB;  // the header of a compressed block has 23 bits for its length
constexpr uint64_t kCompressionBlockField = 3;            // of PostScript in orc_proto.proto

/// Takes a Protocol Buffers varint from the front. nullopt: there is none.
std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

/// The largest compressionBlockSize: a field may come twice. It ends at what is no message; the library refuses that.
uint64_t compression_block_bytes(std::string_view postscript) {
  enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  uint64_t largest = 0;
  while (const auto tag = take_varint(postscript)) {
    size_t skip = 0;
    switch (*tag & 7) {
      case kVarint: {
        const auto value = take_varint(postscript);
        if (*tag >> 3 == kCompressionBlockField) largest = std::max(largest, value.value_or(0));
        break;
      }
      case kFixed64: skip = 8; break;
      case kBytes: skip = take_varint(postscript).value_or(0); break;
      case kFixed32: skip = 4; break;
      default: return largest;
    }
    postscript.remove_prefix(std::min(skip, postscript.size()));
  }
  return largest;
}

}  // namespace

arrow::Status check_orc_tail(arrow::io::RandomAccessFile& file) {
  ARROW_ASSIGN_OR_RAISE(const int64_t file_bytes, file.GetSize());
  const int64_t tail_bytes = std::min(file_bytes, kPostscriptBytesMax + 1);
  ARROW_ASSIGN_OR_RAISE(const auto buffer, file.ReadAt(file_bytes - tail_bytes, tail_bytes));
  auto tail = static_cast<std::string_view>(*buffer);
  if (tail.empty()) return arrow::Status::OK();
  const auto length = static_cast<uint8_t>(tail.back());
  tail.remove_suffix(1);
  tail.remove_prefix(tail.size() - std::min<size_t>(length, tail.size()));
  const uint64_t block_bytes = compression_block_bytes(tail);
  if (block_bytes <= kCompressionBlockBytesMax) return arrow::Status::OK();
  return arrow::Status::IOError(
      fmt::format("compressed blocks of {} bytes, above ORC's limit of {}", block_bytes, kCompressionBlockBytesMax));
}

}  // namespace sluice
