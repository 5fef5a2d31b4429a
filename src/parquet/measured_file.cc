#include "parquet/measured_file.h"

#include <utility>

namespace sluice {
namespace {

/// Parquet asks a file writer's contents for row groups: the one place where the current one can be seen.
class MeasuredContents final : public parquet::ParquetFileWriter::Contents {
 public:
  MeasuredContents(std::unique_ptr<parquet::ParquetFileWriter> file, std::shared_ptr<parquet::schema::GroupNode> schema,
                   RowGroupInProgress& row_group)
      : Contents(std::move(schema), nullptr), file_(std::move(file)), row_group_(row_group) {}
  ~MeasuredContents() override { row_group_.watch(nullptr); }

  void Close() override {
    row_group_.watch(nullptr);
    file_->Close();
    file_metadata_ = file_->metadata();
  }
  parquet::RowGroupWriter* AppendRowGroup() override {
    row_group_.watch(nullptr);
    return file_->AppendRowGroup();
  }
  parquet::RowGroupWriter* AppendBufferedRowGroup() override {
    row_group_.watch(nullptr);
    parquet::RowGroupWriter* next = file_->AppendBufferedRowGroup();
    row_group_.watch(next);
    return next;
  }
  int64_t num_rows() const override { return file_->num_rows(); }
  int num_columns() const override { return file_->num_columns(); }
  int num_row_groups() const override { return file_->num_row_groups(); }
  const std::shared_ptr<parquet::WriterProperties>& properties() const override { return file_->properties(); }
  void AddKeyValueMetadata(const std::shared_ptr<const parquet::KeyValueMetadata>& metadata) override {
    file_->AddKeyValueMetadata(metadata);
  }

 private:
  std::unique_ptr<parquet::ParquetFileWriter> file_;
  RowGroupInProgress& row_group_;
};

}  // namespace

int64_t RowGroupInProgress::size_bytes() const {
  if (row_group_ == nullptr) return 0;
  const auto buffered = row_group_->estimated_buffered_stats();
  return row_group_->total_compressed_bytes() + row_group_->total_compressed_bytes_written() + buffered.def_level_bytes +
         buffered.rep_level_bytes + buffered.value_bytes + buffered.dict_bytes;
}

void RowGroupInProgress::close() {
  if (row_group_ != nullptr) std::exchange(row_group_, nullptr)->Close();
}

std::unique_ptr<parquet::ParquetFileWriter> open_measured_file(std::shared_ptr<arrow::io::OutputStream> sink,
                                                               std::shared_ptr<parquet::schema::GroupNode> schema,
                                                               std::shared_ptr<parquet::WriterProperties> properties,
                                                               RowGroupInProgress& row_group) {
  auto file = parquet::ParquetFileWriter::Open(std::move(sink), schema, std::move(properties));
  auto measured = std::make_unique<parquet::ParquetFileWriter>();
  measured->Open(std::make_unique<MeasuredContents>(std::move(file), std::move(schema), row_group));
  return measured;
}

}  // namespace sluice
