// Column metrics of a finished file: Parquet's statistics as Iceberg's counts and bounds. Pure functions.
// A bound must hold for every value: where that cannot be shown there is no bound, which is always right.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parquet/leaves.h"
#include "parquet/parquet_writer.h"
#include "schema/literal.h"

namespace parquet {
class FileMetaData;
}

namespace sluice {

/// The mode of each leaf: by name where the options name it, else the default for the first metrics_columns_max leaves.
std::vector<MetricsMode> metrics_modes(const std::vector<Leaf>& leaves, const ParquetOptions& options);

/// Single-value bytes of the smallest and the largest value as `mode` keeps them; nullopt: none (counts only, NaN, or an upper bound that
/// truncation cannot round up).
std::optional<std::string> lower_bound(const Type& type, const MetricsMode& mode, const Literal& value);
std::optional<std::string> upper_bound(const Type& type, const MetricsMode& mode, const Literal& value);

/// The first `length` code points of UTF-8 text.
std::string_view truncate_text(std::string_view text, int length);

/// NaNs by row group and leaf, counted while writing: Parquet does not keep them.
using NanCounts = std::vector<std::vector<int64_t>>;

/// By field id; leaves without an id and those of mode none are left out.
std::map<int, ColumnMetrics> collect_metrics(const parquet::FileMetaData& file, const std::vector<Leaf>& leaves,
                                             const std::vector<MetricsMode>& modes, const NanCounts& nans);

}  // namespace sluice
