// Arrow's Parquet file writer, with a view of the row group in progress that Arrow does not offer. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/io/type_fwd.h>
#include <parquet/file_writer.h>

namespace sluice {

/// The row group in progress: its encoded size (0 between row groups), and its end. Shared by a file writer and whoever watches it.
class RowGroupInProgress {
 public:
  void watch(parquet::RowGroupWriter* row_group) { row_group_ = row_group; }
  int64_t size_bytes() const;
  /// Writes it to the sink. Throws as Parquet does.
  void close();

 private:
  parquet::RowGroupWriter* row_group_ = nullptr;
};

/// As parquet::ParquetFileWriter::Open; `row_group` must outlive the writer. Throws as Parquet does.
std::unique_ptr<parquet::ParquetFileWriter> open_measured_file(std::shared_ptr<arrow::io::OutputStream> sink,
                                                               std::shared_ptr<parquet::schema::GroupNode> schema,
                                                               std::shared_ptr<parquet::WriterProperties> properties,
                                                               RowGroupInProgress& row_group);

}  // namespace sluice
