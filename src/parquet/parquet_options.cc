#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/ascii.h"
#include "parquet/parquet_writer.h"

namespace sluice {
namespace {

constexpr std::string_view kColumnMetricsPrefix = "write.metadata.metrics.column.";
constexpr std::string_view kMetricsText = "none, counts, truncate(<length>) or full";
constexpr int kTruncateLengthMax = 1 << 20;
constexpr double kFalsePositivesMin = 1e-9;  // a value takes 13 bytes then; below, one value alone outgrows a filter

using Properties = std::map<std::string, std::string>;

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> bad_value(std::string_view name, std::string_view value, std::string_view wanted) {
  return invalid_input(fmt::format("table property {}: \"{}\" is not {}", name, value, wanted));
}

template <class Number>
Result<void> read_number(const Properties& properties, const char* name, int64_t min, int64_t max, Number& into) {
  const auto found = properties.find(name);
  if (found == properties.end()) return {};
  const auto value = parse_integer(found->second);
  if (!value || *value < min || *value > max) return bad_value(name, found->second, fmt::format("a whole number from {} to {}", min, max));
  into = static_cast<Number>(*value);
  return {};
}

std::optional<MetricsMode> parse_metrics_mode(std::string_view text) {
  const std::string mode = lower_case(text);
  if (mode == "none") return MetricsMode{MetricsMode::kNone};
  if (mode == "counts") return MetricsMode{MetricsMode::kCounts};
  if (mode == "full") return MetricsMode{MetricsMode::kFull};
  constexpr std::string_view kOpen = "truncate(";
  if (!mode.starts_with(kOpen) || !mode.ends_with(')')) return std::nullopt;
  const auto length = parse_integer(std::string_view(mode).substr(kOpen.size(), mode.size() - kOpen.size() - 1));
  if (!length || *length < 1 || *length > kTruncateLengthMax) return std::nullopt;
  return MetricsMode{MetricsMode::kTruncate, static_cast<int>(*length)};
}

struct Levels {
  std::string_view codec;
  int min, max;
};
constexpr std::array kLevels = {Levels{"zstd", 1, 22}, Levels{"gzip", 1, 9}, Levels{"brotli", 0, 11}};

Result<void> read_compression(const Properties& properties, ParquetOptions& options) {
  constexpr const char* kCodec = "write.parquet.compression-codec";
  constexpr const char* kLevel = "write.parquet.compression-level";
  if (const auto found = properties.find(kCodec); found != properties.end()) {
    static constexpr std::array<std::string_view, 6> kCodecs = {"zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"};
    const std::string codec = lower_case(found->second);
    if (std::ranges::find(kCodecs, codec) == kCodecs.end()) {
      return bad_value(kCodec, found->second, fmt::format("one of {}", fmt::join(kCodecs, ", ")));
    }
    options.compression = codec;
  }
  const auto levels = std::ranges::find(kLevels, options.compression, &Levels::codec);
  // Other codecs have no level; Java ignores one that is left over from another codec.
  if (levels == kLevels.end() || !properties.contains(kLevel)) return {};
  int level = 0;
  TRY(read_number(properties, kLevel, levels->min, levels->max, level));
  options.compression_level = level;
  return {};
}

Result<void> read_metrics(const Properties& properties, ParquetOptions& options) {
  constexpr const char* kDefault = "write.metadata.metrics.default";
  if (const auto found = properties.find(kDefault); found != properties.end()) {
    const auto mode = parse_metrics_mode(found->second);
    if (!mode) return bad_value(kDefault, found->second, kMetricsText);
    options.metrics_default = *mode;
    // A default that somebody chose is meant for every column.
    options.metrics_columns_max = std::numeric_limits<int>::max();
  } else {
    TRY(read_number(properties, "write.metadata.metrics.max-inferred-column-defaults", 0, std::numeric_limits<int>::max(),
                    options.metrics_columns_max));
  }
  for (const auto& [name, value] : properties) {
    if (!name.starts_with(kColumnMetricsPrefix)) continue;
    const auto mode = parse_metrics_mode(value);
    if (!mode) return bad_value(name, value, kMetricsText);
    options.metrics_by_column[name.substr(kColumnMetricsPrefix.size())] = *mode;
  }
  return {};
}

/// A property that is named after a column: its value by the column's name.
std::map<std::string, std::string> by_column(const Properties& properties, std::string_view prefix) {
  std::map<std::string, std::string> values;
  for (auto at = properties.lower_bound(std::string(prefix)); at != properties.end() && at->first.starts_with(prefix); ++at) {
    values[at->first.substr(prefix.size())] = at->second;
  }
  return values;
}

Result<void> read_bloom_filters(const Properties& properties, ParquetOptions& options) {
  constexpr std::string_view kEnabled = "write.parquet.bloom-filter-enabled.column.";
  constexpr std::string_view kFalsePositives = "write.parquet.bloom-filter-fpp.column.";
  constexpr std::string_view kDistinct = "write.parquet.bloom-filter-ndv.column.";
  TRY(read_number(properties, "write.parquet.bloom-filter-max-bytes", kKiB, 128 * kMiB, options.bloom_filter_bytes_max));
  for (const auto& [column, value] : by_column(properties, kEnabled)) {
    const std::string enabled = lower_case(value);
    if (enabled != "true" && enabled != "false") return bad_value(std::string(kEnabled) + column, value, "true or false");
    if (enabled == "true") options.bloom_filters[column] = {};
  }
  for (const auto& [column, value] : by_column(properties, kFalsePositives)) {
    double share = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), share);
    const bool is_share = error == std::errc() && end == value.data() + value.size() && share >= kFalsePositivesMin && share < 1;
    if (!is_share) return bad_value(std::string(kFalsePositives) + column, value, "a number from 1e-9 to below 1");
    if (const auto filter = options.bloom_filters.find(column); filter != options.bloom_filters.end()) {
      filter->second.false_positives = share;
    }
  }
  for (const auto& [column, value] : by_column(properties, kDistinct)) {
    const auto count = parse_integer(value);
    if (!count || *count < 1) return bad_value(std::string(kDistinct) + column, value, "a whole number from 1 on");
    if (const auto filter = options.bloom_filters.find(column); filter != options.bloom_filters.end()) filter->second.distinct = count;
  }
  return {};
}

}  // namespace

Result<ParquetOptions> ParquetOptions::from_properties(const Properties& properties) {
  ParquetOptions options;
  TRY(read_compression(properties, options));
  TRY(read_number(properties, "write.parquet.row-group-size-bytes", kMiB / 16, 16 * kGiB, options.row_group_bytes));
  TRY(read_number(properties, "write.parquet.row-group-limit", 1, int64_t{1} << 31, options.row_group_rows));
  TRY(read_number(properties, "write.parquet.page-size-bytes", kKiB, kGiB, options.page_bytes));
  TRY(read_number(properties, "write.parquet.page-row-limit", 1, int64_t{1} << 31, options.page_rows));
  TRY(read_number(properties, "write.parquet.dict-size-bytes", 1, kGiB, options.dictionary_bytes));
  TRY(read_metrics(properties, options));
  TRY(read_bloom_filters(properties, options));
  return options;
}

}  // namespace sluice
