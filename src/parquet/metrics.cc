#include "parquet/metrics.h"

#include <cmath>
#include <cstring>

#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include "base/utf8.h"

namespace sluice {
namespace {

constexpr uint32_t kCodePointMax = 0x10FFFF;
constexpr uint32_t kSurrogateFirst = 0xD800, kSurrogateLast = 0xDFFF;

template <class T>
T read_little_endian(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// A decimal's plain Parquet bytes: INT32 and INT64 little-endian, FIXED_LEN_BYTE_ARRAY big-endian two's complement.
Int128 read_decimal(parquet::Type::type physical, std::string_view bytes) {
  if (physical == parquet::Type::INT32) return read_little_endian<int32_t>(bytes);
  if (physical == parquet::Type::INT64) return read_little_endian<int64_t>(bytes);
  Int128 value = !bytes.empty() && static_cast<signed char>(bytes[0]) < 0 ? -1 : 0;
  for (const char c : bytes) value = value * 256 + static_cast<unsigned char>(c);
  return value;
}

Literal read_plain(const Type& type, parquet::Type::type physical, const std::string& bytes) {
  switch (type.id) {
    case TypeId::kBoolean: return bytes[0] != 0;
    case TypeId::kInt:
    case TypeId::kDate: return read_little_endian<int32_t>(bytes);
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return read_little_endian<int64_t>(bytes);
    case TypeId::kFloat: return read_little_endian<float>(bytes);
    case TypeId::kDouble: return read_little_endian<double>(bytes);
    case TypeId::kDecimal: return read_decimal(physical, bytes);
    default: return bytes;
  }
}

bool is_nan(const Literal& value) {
  if (const auto* number = std::get_if<float>(&value)) return std::isnan(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::isnan(*number);
  return false;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// The code point that begins at `at`; nullopt: no well-formed UTF-8.
std::optional<uint32_t> decode_at(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || at + more >= text.size()) return std::nullopt;
  uint32_t code = first & (0x3F >> more);
  for (int i = 1; i <= more; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3F);
  return code;
}

/// The smallest text above everything that begins with `prefix`: its last code point that can be raised is, the rest is dropped.
std::optional<std::string> text_above(std::string_view prefix) {
  while (!prefix.empty()) {
    size_t at = prefix.size() - 1;
    while (at > 0 && is_continuation(prefix[at])) --at;
    const auto code = decode_at(prefix, at);
    if (!code) return std::nullopt;
    prefix = prefix.substr(0, at);
    if (*code == kCodePointMax) continue;
    const uint32_t next = *code + 1 >= kSurrogateFirst && *code + 1 <= kSurrogateLast ? kSurrogateLast + 1 : *code + 1;
    std::string above(prefix);
    append_utf8(next, above);
    return above;
  }
  return std::nullopt;
}

std::optional<std::string> bytes_above(std::string_view prefix) {
  std::string above(prefix);
  while (!above.empty() && static_cast<unsigned char>(above.back()) == 0xFF) above.pop_back();
  if (above.empty()) return std::nullopt;
  above.back() = static_cast<char>(static_cast<unsigned char>(above.back()) + 1);
  return above;
}

bool keeps_bounds(const MetricsMode& mode) { return mode.kind == MetricsMode::kTruncate || mode.kind == MetricsMode::kFull; }

/// What all row groups together say of one column.
struct ColumnTotals {
  int64_t size_bytes = 0, values = 0, nulls = 0, nans = 0;
  bool nulls_known = true, range_known = true;
  std::optional<Literal> smallest, largest;

  void add(const parquet::ColumnChunkMetaData& chunk, const Type& type, int64_t chunk_nans) {
    size_bytes += chunk.total_compressed_size();
    values += chunk.num_values();
    nans += chunk_nans;
    const auto statistics = chunk.encoded_statistics();
    if (!statistics || !statistics->has_null_count) {
      nulls_known = range_known = false;
      return;
    }
    nulls += statistics->null_count;
    if (chunk.num_values() - statistics->null_count - chunk_nans == 0) return;  // nothing that a bound would have to hold for
    if (!statistics->has_min || !statistics->has_max) {
      range_known = false;
      return;
    }
    Literal low = read_plain(type, chunk.type(), statistics->min()), high = read_plain(type, chunk.type(), statistics->max());
    if (is_nan(low) || is_nan(high)) range_known = false;
    if (!smallest || low < *smallest) smallest = std::move(low);
    if (!largest || *largest < high) largest = std::move(high);
  }
};

}  // namespace

std::vector<MetricsMode> metrics_modes(const std::vector<Leaf>& leaves, const ParquetOptions& options) {
  std::vector<MetricsMode> modes;
  for (const Leaf& leaf : leaves) {
    const auto named = options.metrics_by_column.find(leaf.name);
    const bool inferred = std::cmp_less(modes.size(), options.metrics_columns_max);
    modes.push_back(named != options.metrics_by_column.end() ? named->second
                    : inferred                               ? options.metrics_default
                                                             : MetricsMode{MetricsMode::kNone});
  }
  return modes;
}

std::string_view truncate_text(std::string_view text, int length) {
  size_t at = 0;
  for (int taken = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at]) && taken++ == length) break;
  }
  return text.substr(0, at);
}

std::optional<std::string> lower_bound(const Type& type, const MetricsMode& mode, const Literal& value) {
  if (!keeps_bounds(mode) || is_null(value) || is_nan(value)) return std::nullopt;
  if (mode.kind == MetricsMode::kTruncate && type.id == TypeId::kString) {
    return std::string(truncate_text(std::get<std::string>(value), mode.length));
  }
  if (mode.kind == MetricsMode::kTruncate && type.id == TypeId::kBinary) {
    return std::get<std::string>(value).substr(0, static_cast<size_t>(mode.length));
  }
  return to_single_value(type, value);
}

std::optional<std::string> upper_bound(const Type& type, const MetricsMode& mode, const Literal& value) {
  auto bound = lower_bound(type, mode, value);
  const bool is_text = type.id == TypeId::kString;
  if (!bound || (!is_text && type.id != TypeId::kBinary)) return bound;
  if (bound->size() == std::get<std::string>(value).size()) return bound;
  return is_text ? text_above(*bound) : bytes_above(*bound);
}

std::map<int, ColumnMetrics> collect_metrics(const parquet::FileMetaData& file, const std::vector<Leaf>& leaves,
                                             const std::vector<MetricsMode>& modes, const NanCounts& nans) {
  std::map<int, ColumnMetrics> columns;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Leaf& leaf = leaves[i];
    if (leaf.field_id == 0 || modes[i].kind == MetricsMode::kNone) continue;
    ColumnTotals totals;
    for (int group = 0; group < file.num_row_groups(); ++group) {
      const auto row_group = file.RowGroup(group);
      totals.add(*row_group->ColumnChunk(static_cast<int>(i)), *leaf.type, nans[group][i]);
    }
    ColumnMetrics& column = columns[leaf.field_id];
    column.size_bytes = totals.size_bytes;
    column.value_count = totals.values;
    if (totals.nulls_known) column.null_count = totals.nulls;
    if (leaf.type->id == TypeId::kFloat || leaf.type->id == TypeId::kDouble) column.nan_count = totals.nans;
    if (leaf.below_list || !totals.range_known || !totals.smallest) continue;
    column.lower_bound = lower_bound(*leaf.type, modes[i], *totals.smallest);
    column.upper_bound = upper_bound(*leaf.type, modes[i], *totals.largest);
  }
  return columns;
}

}  // namespace sluice
