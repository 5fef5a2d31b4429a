#include "schema/array_rows.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "schema/arrow_value.h"

namespace sluice {

Result<std::shared_ptr<arrow::Array>> without_rows(const std::shared_ptr<arrow::Array>& values, const std::vector<int64_t>& left_out) {
  arrow::ArrayVector parts;
  int64_t next = 0;
  for (const int64_t row : left_out) {
    if (row > next) parts.push_back(values->Slice(next, row - next));
    next = row + 1;
  }
  parts.push_back(values->Slice(next));
  auto made = arrow::Concatenate(parts);
  if (made.ok()) return *std::move(made);
  return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + made.status().ToString());
}

std::shared_ptr<arrow::Array> without_bitmap(const arrow::Array& values) {
  auto data = values.data()->Copy();
  data->buffers[0] = nullptr;
  data->null_count = 0;
  return arrow::MakeArray(data);
}

void append_json_row(const arrow::RecordBatch& batch, int64_t row, std::string& out) {
  out += '{';
  for (int i = 0; i < batch.num_columns() && out.size() <= kUnplacedBytesMax; ++i) {
    if (i > 0) out += ", ";
    append_json_string(batch.schema()->field(i)->name(), out);
    out += ": ";
    append_json_value(*batch.column(i), row, out, kUnplacedBytesMax);
  }
  out += '}';
}

}  // namespace sluice
