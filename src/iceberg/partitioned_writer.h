// Spreads the rows of record batches over one open Parquet file per partition, and finishes files as limits ask. Not thread-safe.
// Does not commit anything: finished files are durable but no table knows them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "iceberg/append.h"
#include "iceberg/data_paths.h"
#include "iceberg/partition_spec.h"
#include "iceberg/table_metadata.h"
#include "model/file.h"
#include "parquet/origins.h"
#include "parquet/parquet_writer.h"
#include "storage/object_store.h"

namespace sluice {

/// What one writer may hold. Where partitions are more, files are finished early: always correct, only smaller.
struct PartitionedWriterLimits {
  int64_t buffered_bytes_max = 128 * kMiB;  ///< rows and encoded pages in memory, over all open files
  int64_t open_files_max = 4096;            ///< partitions with rows in memory
  int64_t open_uploads_max = 64;            ///< files that have begun to reach the store (a descriptor or part buffers each)
};

class LazyUpload;

/// Rows of one version of a file, one after the other. What the texts refer to outlives the writer.
struct OriginShare {
  int64_t rows = 0;
  std::string_view path = {};
  std::string_view version = {};
};

class PartitionedWriter {
 public:
  struct Target {
    DataLayout layout;
    std::string batch;
    Schema schema;  ///< of the batches, ids assigned
    std::vector<BoundPartitionField> fields;
    ParquetOptions parquet;
    int64_t file_bytes = 512 * kMiB;  ///< a file is finished when it would weigh this much
    std::map<std::string, std::string> footer;
    Origins made_by;  ///< whose batch it is; `files` are filled in for each data file
  };

  /// `store` must outlive the writer.
  PartitionedWriter(ObjectStore& store, Target target, const PartitionedWriterLimits& limits);
  /// Drops what is unfinished; finished files stay: see paths().
  ~PartitionedWriter();

  /// Where the rows went. Rows of one partition keep their order and lie together; without partitions all rows do, so the ranges are
  /// those of the batch's rows in order. After an error the writer is of no more use.
  Result<std::vector<RowRange>> append(const arrow::RecordBatch& batch, Context& context);
  /// The same for rows of several origins in turn: where the rows of each went. The data files' footers name them.
  Result<std::vector<std::vector<RowRange>>> append(const arrow::RecordBatch& batch, std::span<const OriginShare> shares, Context& context);
  /// Finishes every open file. All files of this writer, those finished before included.
  Result<std::vector<StagedFile>> finish(Context& context);

  /// Every path that was or may have been written to, for deletion when the rows are given up.
  const std::vector<std::string>& paths() const { return paths_; }
  int64_t open_files() const { return static_cast<int64_t>(open_.size()); }
  int64_t open_uploads() const { return open_uploads_; }
  int64_t buffered_bytes() const { return buffered_bytes_; }

 private:
  struct OpenFile {
    std::string path;
    std::vector<Literal> partition;
    std::unique_ptr<ParquetWriter> writer;
    const LazyUpload* upload = nullptr;  ///< owned by `writer`
    bool uploading = false;
    int64_t buffered_bytes = 0;
    int64_t last_used = 0;
    std::vector<OriginShare> origins;
  };
  using OpenFiles = std::unordered_map<std::string, OpenFile>;

  Result<RowRange> write(const std::vector<Literal>& partition, const arrow::RecordBatch& rows, std::span<const OriginShare> shares,
                         Context& context);
  Result<OpenFiles::iterator> open(const std::vector<Literal>& partition, Context& context);
  Result<void> close(OpenFiles::iterator file, Context& context);
  Result<void> keep_limits(Context& context);
  void count(OpenFile& file);
  template <class Less>
  OpenFiles::iterator most(const Less& less);

  ObjectStore& store_;
  const Target target_;
  const PartitionedWriterLimits limits_;
  OpenFiles open_;  ///< by the partition's bytes
  int64_t buffered_bytes_ = 0;
  int64_t open_uploads_ = 0;
  int64_t uses_ = 0;
  std::vector<StagedFile> finished_;
  std::vector<std::string> paths_;
};

/// A writer for one batch under the table's default spec: files where data_paths.h says, sized by `write.target-file-size-bytes`.
/// kInvalidInput: a partition spec or a property that this program cannot follow.
Result<std::unique_ptr<PartitionedWriter>> open_partitioned_writer(ObjectStore& store, const TableMetadata& metadata, const Schema& schema,
                                                                   const ParquetOptions& options, const std::string& batch,
                                                                   const PartitionedWriterLimits& limits = {}, Origins made_by = {});

}  // namespace sluice
