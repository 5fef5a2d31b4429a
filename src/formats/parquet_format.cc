#include "formats/parquet_format.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include "formats/blob_file.h"
#include "formats/columnar_reader.h"
#include "model/file.h"
#include "schema/arrow_value.h"

namespace sluice {
namespace {

constexpr int64_t kParquetBatchBytes = 16 * kMiB;  // of decoded values, about
constexpr int64_t kParquetBatchRowsMin = 64;
constexpr int64_t kValueBytes = 8;
constexpr int64_t kPageBufferBytes = 4 * kMiB;  // read ahead in a column that is too large to be held
constexpr int64_t kPageBufferBytesMin = 64 * kKiB;

/// The same schema with time zone UTC on every column that is INT96 in the file. `leaf` counts the file's columns.
std::shared_ptr<arrow::DataType> with_instants(const std::shared_ptr<arrow::DataType>& type, const parquet::SchemaDescriptor& file,
                                               int& leaf) {
  if (type->num_fields() == 0 || type->id() == arrow::Type::EXTENSION) {
    const bool is_int96 = leaf < file.num_columns() && file.Column(leaf)->physical_type() == parquet::Type::INT96;
    ++leaf;
    return is_int96 && type->id() == arrow::Type::TIMESTAMP ? arrow::timestamp(arrow::TimeUnit::MICRO, "UTC") : type;
  }
  arrow::FieldVector fields;
  for (const auto& field : type->fields()) fields.push_back(field->WithType(with_instants(field->type(), file, leaf)));
  switch (type->id()) {
    case arrow::Type::STRUCT: return arrow::struct_(fields);
    case arrow::Type::LIST: return arrow::list(fields[0]);
    case arrow::Type::MAP: return std::make_shared<arrow::MapType>(fields[0], static_cast<const arrow::MapType&>(*type).keys_sorted());
    default: return type;
  }
}

/// Of a row group, at least. Run lengths and dictionaries make lists small in the file that are large in memory: what counts is the larger
/// one of the group's size in the file and its values, levels and nulls included.
int64_t decoded_bytes(const parquet::RowGroupMetaData& group) {
  int64_t values = 0;
  for (int i = 0; i < group.num_columns(); ++i) {
    values += std::clamp<int64_t>(group.ColumnChunk(i)->num_values(), 0, std::numeric_limits<int32_t>::max());
  }
  return std::max(group.total_byte_size(), values * kValueBytes);
}

class ParquetFeed final : public BatchFeed {
 public:
  static Result<std::unique_ptr<ParquetFeed>> open(Blob& blob, int64_t rows_max, Context& context) {
    std::unique_ptr<ParquetFeed> feed(new ParquetFeed(blob, rows_max));
    feed->file_->use(context);
    const arrow::Status status = feed->caught([&] { return feed->open_file(); });
    if (!status.ok()) return std::unexpected(feed->file_->explain(status, "broken or unsupported Parquet file"));
    return feed;
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  int64_t rows() const { return reader_->parquet_reader()->metadata()->num_rows(); }

  Result<std::shared_ptr<arrow::RecordBatch>> next(Context& context) override {
    file_->use(context);
    std::shared_ptr<arrow::RecordBatch> batch;
    while (batch == nullptr) {
      if (batches_ == nullptr) {
        if (next_group_ == reader_->num_row_groups()) return nullptr;
        TRY(hold_group());
        const arrow::Status status = caught([&] { return open_group(); });
        if (!status.ok()) return std::unexpected(explain(status));
        ++next_group_;
      }
      const arrow::Status status = caught([&] { return batches_->ReadNext(&batch); });
      if (!status.ok()) return std::unexpected(explain(status));
      if (batch == nullptr) TRY(end_group());
    }
    if (const arrow::Status status = check_values(*batch); !status.ok()) return std::unexpected(explain(status));
    rows_read_ += batch->num_rows();
    group_rows_left_ -= batch->num_rows();
    return has_int96_ ? retyped(*batch) : batch;
  }

 private:
  ParquetFeed(Blob& blob, int64_t rows_max) : file_(std::make_shared<BlobFile>(blob)), rows_max_(rows_max) {}

  /// Parquet's own interfaces throw.
  template <class Do>
  static arrow::Status caught(Do&& act) {
    try {
      return act();
    } catch (const std::bad_alloc&) {
      return arrow::Status::OutOfMemory("no memory");
    } catch (const std::exception& e) {
      return arrow::Status::IOError(e.what());
    }
  }

  Error explain(const arrow::Status& status) const {
    return file_->explain(status, fmt::format("row group {}, after row {}: broken Parquet data", next_group_, rows_read_));
  }

  arrow::Status open_file() {
    parquet::ReaderProperties properties(reader_memory_pool());
    properties.enable_buffered_stream();
    properties.set_buffer_size(kPageBufferBytesMin);
    properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_pre_buffer(false);  // it would take threads of its own and hold all of a row group
    arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    arrow_properties.set_arrow_extensions_enabled(true);
    auto metadata = parquet::ReadMetaData(file_);
    // Columns are read side by side, each with a buffer.
    const int64_t columns = std::max(1, metadata->num_columns());
    properties.set_buffer_size(std::clamp(kHeldBytesMax / columns, kPageBufferBytesMin, kPageBufferBytes));
    arrow_properties.set_batch_size(batch_rows(*metadata));
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file_, properties, metadata));
    builder.memory_pool(reader_memory_pool())->properties(arrow_properties);
    ARROW_ASSIGN_OR_RAISE(reader_, builder.Build());
    ARROW_RETURN_NOT_OK(reader_->GetSchema(&schema_));
    mark_instants(*metadata->schema());
    return arrow::Status::OK();
  }

  int64_t batch_rows(const parquet::FileMetaData& metadata) const {
    int64_t row_bytes = 1;
    for (int i = 0; i < metadata.num_row_groups(); ++i) {
      const auto group = metadata.RowGroup(i);
      if (group->num_rows() > 0) row_bytes = std::max(row_bytes, decoded_bytes(*group) / group->num_rows());
    }
    return std::min(rows_max_, std::max(kParquetBatchRowsMin, kParquetBatchBytes / row_bytes));
  }

  void mark_instants(const parquet::SchemaDescriptor& file) {
    for (int i = 0; i < file.num_columns(); ++i) has_int96_ |= file.Column(i)->physical_type() == parquet::Type::INT96;
    if (!has_int96_) return;
    int leaf = 0;
    arrow::FieldVector fields;
    for (const auto& field : schema_->fields()) fields.push_back(field->WithType(with_instants(field->type(), file, leaf)));
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::RecordBatch> retyped(const arrow::RecordBatch& batch) const {
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    for (int i = 0; i < batch.num_columns(); ++i) columns.push_back(with_type(*batch.column_data(i), schema_->field(i)->type()));
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  /// One read for all columns of a row group, where it is small enough. In a larger one each column has a buffer of its own and they
  /// advance side by side: every byte is read here once, but out of order, and the hash of the file's content wants order. What it missed
  /// is read once more at the end (InputFile::drain); to spare that, the bytes between the slowest column and the fastest would have to be
  /// held, which is all of the group.
  Result<void> hold_group() {
    int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
    const arrow::Status status = caught([&] {
      const auto group = reader_->parquet_reader()->metadata()->RowGroup(next_group_);
      for (int i = 0; i < group->num_columns(); ++i) {
        const auto column = group->ColumnChunk(i);
        int64_t from = column->data_page_offset();
        if (column->has_dictionary_page() && column->dictionary_page_offset() > 0) from = std::min(from, column->dictionary_page_offset());
        int64_t to = 0;
        if (__builtin_add_overflow(from, column->total_compressed_size(), &to)) return arrow::Status::IOError("a column chunk without end");
        begin = std::min(begin, from);
        end = std::max(end, to);
      }
      return arrow::Status::OK();
    });
    if (!status.ok()) return std::unexpected(explain(status));
    return file_->hold(begin, end);
  }

  arrow::Status open_group() {
    group_rows_left_ = reader_->parquet_reader()->metadata()->RowGroup(next_group_)->num_rows();
    if (group_rows_left_ < 0) return arrow::Status::IOError(fmt::format("it has {} rows", group_rows_left_));
    ARROW_ASSIGN_OR_RAISE(batches_, reader_->GetRecordBatchReader({next_group_}));
    return arrow::Status::OK();
  }

  /// Arrow takes pages that are missing at a column's end for its end.
  Result<void> end_group() {
    batches_.reset();
    if (group_rows_left_ == 0) return {};
    return std::unexpected(Error{
        ErrorCode::kInvalidInput,
        fmt::format("row group {}, after row {}: broken Parquet data: {} rows are missing", next_group_ - 1, rows_read_, group_rows_left_),
        std::string(error_type::kParseError)});
  }

  const std::shared_ptr<BlobFile> file_;
  const int64_t rows_max_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  bool has_int96_ = false;
  std::unique_ptr<arrow::RecordBatchReader> batches_;  ///< of the row group in hand
  int next_group_ = 0;
  int64_t group_rows_left_ = 0;  ///< of the row group in hand, as it says
  int64_t rows_read_ = 0;
};

class ParquetFormat final : public Format {
 public:
  std::string_view name() const override { return "parquet"; }
  bool needs_random_access() const override { return true; }

  Result<std::vector<ByteRange>> split(Blob&, const ReadPlan&, Context&) const override { return std::vector<ByteRange>{{}}; }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(auto feed, ParquetFeed::open(blob, plan.block_rows_max, context));
    return make_columnar_reader(std::move(feed), plan);
  }

  Result<Inferred> infer(Blob& blob, int64_t, const Source&, const InferOptions&, Context& context) const override {
    TRY_ASSIGN(const auto feed, ParquetFeed::open(blob, kParquetBatchRowsMin, context));
    return infer_from_schema(*feed->schema(), feed->rows());
  }
};

}  // namespace

const Format& parquet_format() {
  static const ParquetFormat format;
  return format;
}

}  // namespace sluice
