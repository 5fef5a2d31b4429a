#include "pipeline/table_rows.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "schema/arrow_schema.h"
#include "schema/evolution.h"

namespace sluice {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

Result<ArrayPtr> checked(arrow::Result<ArrayPtr> made) {
  if (made.ok()) return *std::move(made);
  return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + made.status().ToString());
}

/// dictionary<int32, string> whose codes run per segment.
Result<ArrayPtr> text_per_segment(const std::vector<RowSegment>& segments, std::string RowSegment::* text) {
  arrow::StringBuilder values;
  arrow::Int32Builder codes;
  arrow::Status status;
  for (size_t i = 0; i < segments.size() && status.ok(); ++i) {
    const bool repeats = i > 0 && segments[i].*text == segments[i - 1].*text;
    if (!repeats) status = values.Append(segments[i].*text);
    const auto code = static_cast<int32_t>(values.length() - 1);
    if (status.ok()) status = codes.Reserve(segments[i].batch->num_rows());
    for (int64_t row = 0; row < segments[i].batch->num_rows() && status.ok(); ++row) codes.UnsafeAppend(code);
  }
  ArrayPtr code_array, value_array;
  if (status.ok()) status = codes.Finish(&code_array);
  if (status.ok()) status = values.Finish(&value_array);
  if (!status.ok()) return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + status.ToString());
  return checked(arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), code_array, value_array));
}

Result<ArrayPtr> rows_per_segment(const std::vector<RowSegment>& segments) {
  arrow::Int64Builder numbers;
  arrow::Status status;
  for (const RowSegment& segment : segments) {
    if (status.ok()) status = numbers.Reserve(segment.batch->num_rows());
    for (int64_t row = 0; row < segment.batch->num_rows() && status.ok(); ++row) numbers.UnsafeAppend(segment.first_row + row);
  }
  ArrayPtr array;
  if (status.ok()) status = numbers.Finish(&array);
  if (!status.ok()) return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + status.ToString());
  return array;
}

Result<ArrayPtr> same_text(const std::string& text, int64_t rows) {
  auto codes = arrow::MakeArrayFromScalar(arrow::Int32Scalar(0), rows);
  auto value = arrow::MakeArrayFromScalar(arrow::StringScalar(text), 1);
  if (!codes.ok() || !value.ok()) return fail(ErrorCode::kUnavailable, "arranging rows for the table: out of memory");
  return checked(arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), *codes, *value));
}

/// A column that no file holds: one of the metadata columns, or null.
Result<ArrayPtr> other_column(const Field& field, const std::vector<RowSegment>& segments, const BatchFacts& facts, int64_t rows) {
  if (field.name == "_source_file") return text_per_segment(segments, &RowSegment::file_path);
  if (field.name == "_source_system") return text_per_segment(segments, &RowSegment::source_system);
  if (field.name == "_source_row") return rows_per_segment(segments);
  if (field.name == "_batch_id") return same_text(facts.batch_id, rows);
  auto type = to_arrow(*field.type);
  if (field.name == "_loaded_at") return checked(arrow::MakeArrayFromScalar(arrow::TimestampScalar(facts.loaded_at.micros, type), rows));
  return checked(arrow::MakeArrayOfNull(type, rows));
}

Result<ArrayPtr> column_of_segments(const std::vector<RowSegment>& segments, int index) {
  if (segments.size() == 1) return segments[0].batch->column(index);
  arrow::ArrayVector parts;
  for (const RowSegment& segment : segments) parts.push_back(segment.batch->column(index));
  return checked(arrow::Concatenate(parts));
}

/// Metadata columns may come as dictionaries: cheaper to make, and the Parquet writer keeps the codes.
std::shared_ptr<arrow::Field> field_for(const std::shared_ptr<arrow::Field>& field, const arrow::Array& column) {
  return field->type()->Equals(*column.type()) ? field : field->WithType(column.type());
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> table_rows(const Schema& table, const std::vector<RowSegment>& segments,
                                                       const BatchFacts& facts) {
  int64_t rows = 0;
  for (const RowSegment& segment : segments) rows += segment.batch->num_rows();
  const auto table_schema = to_arrow(table);
  const auto& file_schema = *segments.front().batch->schema();

  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (int i = 0; i < static_cast<int>(table.fields.size()); ++i) {
    const int index = file_schema.GetFieldIndex(table.fields[static_cast<size_t>(i)].name);
    auto column =
        index >= 0 ? column_of_segments(segments, index) : other_column(table.fields[static_cast<size_t>(i)], segments, facts, rows);
    TRY(column);
    fields.push_back(field_for(table_schema->field(i), **column));
    columns.push_back(*std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

int64_t bytes_in(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

}  // namespace sluice
