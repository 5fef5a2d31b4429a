#include "formats/source_column.h"

#include <memory>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "formats/blob_file.h"

namespace sluice {
namespace {

constexpr std::string_view kSourceColumn = "_source_file";
constexpr int64_t kBlockRows = 64 * 1024;

template <class TextArray>
void count_paths(const arrow::Array& column, std::map<std::string, int64_t>& rows) {
  const auto& paths = static_cast<const TextArray&>(column);
  for (int64_t i = 0; i < paths.length(); ++i) ++rows[paths.IsNull(i) ? std::string() : paths.GetString(i)];
}

arrow::Status count_rows(const std::shared_ptr<BlobFile>& file, std::map<std::string, int64_t>& rows) {
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(file, parquet::ReaderProperties(reader_memory_pool())));
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_batch_size(kBlockRows);
  properties.set_pre_buffer(false);
  builder.memory_pool(reader_memory_pool())->properties(properties);
  std::unique_ptr<parquet::arrow::FileReader> reader;
  ARROW_RETURN_NOT_OK(builder.Build(&reader));
  const auto& schema = *reader->parquet_reader()->metadata()->schema();
  const int column = schema.ColumnIndex(std::string(kSourceColumn));
  if (column < 0) {
    rows[""] += reader->parquet_reader()->metadata()->num_rows();
    return arrow::Status::OK();
  }
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    ARROW_ASSIGN_OR_RAISE(const auto batches, reader->GetRecordBatchReader({group}, {column}));
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      ARROW_RETURN_NOT_OK(batches->ReadNext(&batch));
      if (batch == nullptr) break;
      const arrow::Array& paths = *batch->column(0);
      switch (paths.type_id()) {  // PyArrow writes long strings, and its files remember that
        case arrow::Type::STRING: count_paths<arrow::StringArray>(paths, rows); break;
        case arrow::Type::LARGE_STRING: count_paths<arrow::LargeStringArray>(paths, rows); break;
        default: return arrow::Status::TypeError("it holds ", paths.type()->ToString());
      }
    }
  }
  return arrow::Status::OK();
}

}  // namespace

Result<std::map<std::string, int64_t>> rows_by_source(Blob& blob, Context& context) {
  const auto file = std::make_shared<BlobFile>(blob);
  file->use(context);
  std::map<std::string, int64_t> rows;
  arrow::Status status;
  try {
    status = count_rows(file, rows);
  } catch (const std::exception& e) {  // Parquet's own interfaces throw
    status = arrow::Status::IOError(e.what());
  }
  if (!status.ok()) return std::unexpected(file->explain(status, "its column _source_file cannot be read"));
  return rows;
}

}  // namespace sluice
