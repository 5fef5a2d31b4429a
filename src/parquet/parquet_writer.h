// Record batches -> one Parquet object with Iceberg field ids, column metrics and durable upload. Not thread-safe; memory is bounded
// by one row group of encoded pages. Used by both sinks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/byte_sink.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "schema/type.h"

namespace sluice {

/// How bounds and counts of a column are kept: Iceberg's write.metadata.metrics.* ("none", "counts", "truncate(16)", "full").
struct MetricsMode {
  enum Kind { kNone, kCounts, kTruncate, kFull } kind = kTruncate;
  int length = 16;  ///< code points of a string, bytes of a binary
};

/// A Parquet bloom filter of one column: write.parquet.bloom-filter-*.column.NAME.
struct BloomFilter {
  double false_positives = 0.01;         ///< the share of values not there that it takes for there, in (0, 1)
  std::optional<int64_t> distinct = {};  ///< values a row group; nullopt: as many as a filter of the largest size holds, then folded
};

/// From the table's properties (write.parquet.*, write.metadata.metrics.*); the parser names a bad value.
struct ParquetOptions {
  std::string compression = "zstd";           ///< zstd | snappy | gzip | lz4 | uncompressed
  std::optional<int> compression_level = {};  ///< default 1 for zstd: level 3 costs seven times that for 3% on string pages
  int64_t row_group_bytes = 128 * kMiB;       ///< write.parquet.row-group-size-bytes (encoded)
  int64_t row_group_rows = 1024 * 1024;
  int64_t page_bytes = kMiB;
  int64_t page_rows = 20'000;
  int64_t dictionary_bytes = 2 * kMiB;  ///< of one column's dictionary, then PLAIN
  MetricsMode metrics_default;
  std::map<std::string, MetricsMode> metrics_by_column = {};  ///< by dotted column name
  int metrics_columns_max = 100;                              ///< columns beyond get no metrics unless named

  std::map<std::string, BloomFilter> bloom_filters = {};  ///< by dotted column name
  int64_t bloom_filter_bytes_max = kMiB;                  ///< of one column and row group; held until the file is finished

  static Result<ParquetOptions> from_properties(const std::map<std::string, std::string>& properties);
};

/// Metrics of one leaf column (spec: data_file 108-128). Bounds are single-value bytes, truncated as the mode says.
struct ColumnMetrics {
  std::optional<int64_t> size_bytes, value_count, null_count, nan_count;
  std::optional<std::string> lower_bound, upper_bound;
};

/// A finished data file.
struct WrittenFile {
  std::string path;
  int64_t size_bytes = 0;
  int64_t rows = 0;
  std::map<int, ColumnMetrics> columns;  ///< by field id of the leaf
  std::vector<int64_t> split_offsets;    ///< starts of the row groups, rising
};

class ParquetWriter {
 public:
  virtual ~ParquetWriter() = default;
  /// Appends rows; columns by name and order of the schema, in the Arrow types of schema/arrow_schema.h (strings may be dictionaries).
  virtual Result<void> append(const arrow::RecordBatch& batch, Context& context) = 0;
  virtual int64_t rows() const = 0;
  /// Bytes written plus encoded and still buffered: what the file would weigh if finished now (an estimate).
  virtual int64_t size_bytes_estimate() const = 0;
  /// Memory held. Small appends are gathered, and the first rows are kept back raw to choose encodings by.
  virtual int64_t buffered_bytes() const = 0;
  /// Ends the row group in progress, so that what is buffered goes to the sink. Small row groups cost readers time.
  virtual Result<void> cut_row_group(Context& context) = 0;
  /// Writes the footer and completes the upload. `footer` goes into the file's key-value metadata.
  virtual Result<WrittenFile> finish(const std::map<std::string, std::string>& footer, Context& context) = 0;
  /// Destroying an unfinished writer drops the object.
};

/// `path` is only recorded in the result; the bytes go to `sink`.
Result<std::unique_ptr<ParquetWriter>> open_parquet_writer(std::unique_ptr<ByteSink> sink, std::string path, const Schema& schema,
                                                           const ParquetOptions& options);

}  // namespace sluice
