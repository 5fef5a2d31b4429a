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

Result<ArrayPtr> arranged(arrow::Result<ArrayPtr> made) {
  if (made.ok()) return *std::move(made);
  return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + made.status().ToString());
}

/// dictionary<int32, string> whose codes run per origin.
Result<ArrayPtr> text_per_origin(std::span<const RowOrigin> origins, int64_t rows, std::string_view RowOrigin::* text) {
  arrow::StringBuilder values;
  arrow::Int32Builder codes;
  arrow::Status status = codes.Reserve(rows);
  for (size_t i = 0; i < origins.size() && status.ok(); ++i) {
    const bool repeats = i > 0 && origins[i].*text == origins[i - 1].*text;
    if (!repeats) status = values.Append(origins[i].*text);
    const auto code = static_cast<int32_t>(values.length() - 1);
    for (int64_t row = 0; row < origins[i].row_count; ++row) codes.UnsafeAppend(code);
  }
  ArrayPtr code_array, value_array;
  if (status.ok()) status = codes.Finish(&code_array);
  if (status.ok()) status = values.Finish(&value_array);
  if (!status.ok()) return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + status.ToString());
  return arranged(arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), code_array, value_array));
}

Result<ArrayPtr> rows_per_origin(std::span<const RowOrigin> origins, int64_t rows) {
  arrow::Int64Builder numbers;
  arrow::Status status = numbers.Reserve(rows);
  for (const RowOrigin& origin : origins) {
    for (int64_t row = 0; row < origin.row_count && status.ok(); ++row) numbers.UnsafeAppend(origin.first_row + row);
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
  return arranged(arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), *codes, *value));
}

/// A column that no file holds: one of the metadata columns, or null.
Result<ArrayPtr> other_column(const Field& field, std::span<const RowOrigin> origins, const BatchFacts& facts, int64_t rows) {
  if (field.name == "_source_file") return text_per_origin(origins, rows, &RowOrigin::file_path);
  if (field.name == "_source_system") return text_per_origin(origins, rows, &RowOrigin::source_system);
  if (field.name == "_source_row") return rows_per_origin(origins, rows);
  if (field.name == "_batch_id") return same_text(facts.batch_id, rows);
  auto type = to_arrow(*field.type);
  if (field.name == "_loaded_at") return arranged(arrow::MakeArrayFromScalar(arrow::TimestampScalar(facts.loaded_at.micros, type), rows));
  return arranged(arrow::MakeArrayOfNull(type, rows));
}

Result<ArrayPtr> column_of_parts(const arrow::RecordBatchVector& parts, int index) {
  if (parts.size() == 1) return parts[0]->column(index);
  arrow::ArrayVector columns;
  for (const auto& part : parts) columns.push_back(part->column(index));
  return arranged(arrow::Concatenate(columns));
}

/// Metadata columns may come as dictionaries: cheaper to make, and the Parquet writer keeps the codes.
std::shared_ptr<arrow::Field> field_for(const std::shared_ptr<arrow::Field>& field, const arrow::Array& column) {
  return field->type()->Equals(*column.type()) ? field : field->WithType(column.type());
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> table_rows(const Schema& table, const arrow::RecordBatchVector& parts,
                                                       std::span<const RowOrigin> origins, const BatchFacts& facts) {
  int64_t rows = 0;
  for (const auto& part : parts) rows += part->num_rows();
  const auto table_schema = to_arrow(table);
  const auto& file_schema = *parts.front()->schema();

  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (int i = 0; i < static_cast<int>(table.fields.size()); ++i) {
    const int index = file_schema.GetFieldIndex(table.fields[static_cast<size_t>(i)].name);
    auto column = index >= 0 ? column_of_parts(parts, index) : other_column(table.fields[static_cast<size_t>(i)], origins, facts, rows);
    TRY(column);
    fields.push_back(field_for(table_schema->field(i), **column));
    columns.push_back(*std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

int64_t bytes_in(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

}  // namespace sluice
