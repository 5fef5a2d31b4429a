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
constexpr uint64_t kOrcDecimalDigitsMax = 38;

// Of orc_proto.proto.
enum PostScriptField : uint8_t { kCompression = 2, kCompressionBlockSize = 3 };
enum FileTailField : uint8_t { kFooter = 2 };
enum FooterField : uint8_t { kTypes = 4 };
enum TypeField : uint8_t { kPrecision = 5 };

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

/// Calls with each field's number, its value where it is a varint, and its bytes where it has some. It ends at what is no message: the
/// library refuses that.
template <class Visit>
void for_each_field(std::string_view message, Visit&& visit) {
  enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  while (const auto tag = take_varint(message)) {
    uint64_t value = 0, length = 0;
    switch (*tag & 7) {
      case kVarint: value = take_varint(message).value_or(0); break;
      case kFixed64: length = 8; break;
      case kBytes: length = take_varint(message).value_or(0); break;
      case kFixed32: length = 4; break;
      default: return;
    }
    const std::string_view bytes = message.substr(0, std::min<uint64_t>(length, message.size()));
    message.remove_prefix(bytes.size());
    visit(*tag >> 3, value, bytes);
  }
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
  bool is_compressed = false;
  uint64_t block_bytes = 0;  // the largest one: a field may come twice
  for_each_field(tail, [&](uint64_t field, uint64_t value, std::string_view) {
    is_compressed |= field == kCompression && value != 0;
    if (field == kCompressionBlockSize) block_bytes = std::max(block_bytes, value);
  });
  if (!is_compressed || block_bytes <= kCompressionBlockBytesMax) return arrow::Status::OK();
  return arrow::Status::IOError(
      fmt::format("compressed blocks of {} bytes, above ORC's limit of {}", block_bytes, kCompressionBlockBytesMax));
}

arrow::Status check_orc_types(std::string_view file_tail) {
  uint64_t digits = 0;
  for_each_field(file_tail, [&](uint64_t field, uint64_t, std::string_view footer) {
    if (field != kFooter) return;
    for_each_field(footer, [&](uint64_t footer_field, uint64_t, std::string_view type) {
      if (footer_field != kTypes) return;
      for_each_field(type, [&](uint64_t type_field, uint64_t value, std::string_view) {
        if (type_field == kPrecision) digits = std::max(digits, value);
      });
    });
  });
  if (digits <= kOrcDecimalDigitsMax) return arrow::Status::OK();
  return arrow::Status::IOError(fmt::format("a decimal of {} digits, above ORC's limit of {}", digits, kOrcDecimalDigitsMax));
}

}  // namespace sluice
