// Rows of Arrow arrays: to be left out, or shown. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"

namespace sluice {

/// All rows of an array but those of `left_out` (in rising order).
Result<std::shared_ptr<arrow::Array>> without_rows(const std::shared_ptr<arrow::Array>& values, const std::vector<int64_t>& left_out);

/// For a required column: Parquet writers refuse a bitmap there, though nothing is null.
std::shared_ptr<arrow::Array> without_bitmap(const arrow::Array& values);

/// Appends a row as a JSON object, for the quarantine. Ends early, within the JSON, once `out` is longer than kUnplacedBytesMax.
void append_json_row(const arrow::RecordBatch& batch, int64_t row, std::string& out);

}  // namespace sluice
