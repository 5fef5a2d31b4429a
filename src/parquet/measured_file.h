// Arrow's Parquet file writer, with a view of the row group in progress that Arrow does not offer. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/io/type_fwd.h>
#include <parquet/file_writer.h>

namespace sluice {

/// Encoded size of the row group in progress; 0 between row groups. Shared by a file writer and whoever watches it.
class RowGroupGauge {
 public:
  void watch(parquet::RowGroupWriter* row_group) { row_group_ = row_group; }
  int64_t size_bytes() const;

 private:
  parquet::RowGroupWriter* row_group_ = nullptr;
};

/// As parquet::ParquetFileWriter::Open; `gauge` must outlive the writer. Throws as Parquet does.
std::unique_ptr<parquet::ParquetFileWriter> open_measured_file(std::shared_ptr<arrow::io::OutputStream> sink,
                                                               std::shared_ptr<parquet::schema::GroupNode> schema,
                                                               std::shared_ptr<parquet::WriterProperties> properties,
                                                               RowGroupGauge& gauge);

}  // namespace sluice
