// Rows as readers give them -> rows as the table has them: columns in the table's order, metadata columns filled. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <arrow/type_fwd.h>

#include "base/clock.h"
#include "base/error.h"
#include "schema/type.h"

namespace sluice {

/// Rows of one file that follow one another, and where they come from.
struct RowOrigin {
  std::string_view file_path;
  std::string_view source_system;
  int64_t first_row = 0;  ///< within the file, good rows only: `_source_row`
  int64_t row_count = 0;
  std::string_view version = {};  ///< of the file
};

/// What every row of a batch shares.
struct BatchFacts {
  Timestamp loaded_at;
  std::string batch_id;
};

/// One record batch of all `parts`, which have the same columns; `origins` are those of their rows in order. Table columns that the parts
/// lack are filled from the facts (metadata columns) or null. Text that repeats per file is a dictionary column: it costs next to nothing.
Result<std::shared_ptr<arrow::RecordBatch>> table_rows(const Schema& table, const arrow::RecordBatchVector& parts,
                                                       std::span<const RowOrigin> origins, const BatchFacts& facts);

/// Bytes that a record batch holds, roughly: for limits.
int64_t bytes_in(const arrow::RecordBatch& batch);

}  // namespace sluice
