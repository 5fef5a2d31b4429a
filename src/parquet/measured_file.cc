#include "parquet/measured_file.h"

#include <utility>

namespace sluice {
namespace {

/// Parquet asks a file writer's contents for row groups: the one place where the current one can be seen.
class MeasuredContents final : public parquet::ParquetFileWriter::Contents {
 public:
  MeasuredContents(std::unique_ptr<parquet::ParquetFileWriter> file, std::shared_ptr<parquet::schema::GroupNode> schema,
                   RowGroupGauge& gauge)
      : Contents(std::move(schema), nullptr), file_(std::move(file)), gauge_(gauge) {}
  ~MeasuredContents() override { gauge_.watch(nullptr); }

  void Close() override {
    gauge_.watch(nullptr);
    file_->Close();
    file_metadata_ = file_->metadata();
  }
  parquet::RowGroupWriter* AppendRowGroup() override {
    gauge_.watch(nullptr);
    return file_->AppendRowGroup();
  }
  parquet::RowGroupWriter* AppendBufferedRowGroup() override {
    gauge_.watch(nullptr);
    parquet::RowGroupWriter* row_group = file_->AppendBufferedRowGroup();
    gauge_.watch(row_group);
    return row_group;
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
  RowGroupGauge& gauge_;
};

}  // namespace

int64_t RowGroupGauge::size_bytes() const {
  if (row_group_ == nullptr) return 0;
  const auto buffered = row_group_->estimated_buffered_stats();
  return row_group_->total_compressed_bytes() + row_group_->total_compressed_bytes_written() + buffered.def_level_bytes +
         buffered.rep_level_bytes + buffered.value_bytes + buffered.dict_bytes;
}

std::unique_ptr<parquet::ParquetFileWriter> open_measured_file(std::shared_ptr<arrow::io::OutputStream> sink,
                                                               std::shared_ptr<parquet::schema::GroupNode> schema,
                                                               std::shared_ptr<parquet::WriterProperties> properties,
                                                               RowGroupGauge& gauge) {
  auto file = parquet::ParquetFileWriter::Open(std::move(sink), schema, std::move(properties));
  auto measured = std::make_unique<parquet::ParquetFileWriter>();
  measured->Open(std::make_unique<MeasuredContents>(std::move(file), std::move(schema), gauge));
  return measured;
}

}  // namespace sluice
