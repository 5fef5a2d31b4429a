// Rows as readers give them -> rows as the table has them: columns in the table's order, metadata columns filled. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/clock.h"
#include "base/error.h"
#include "schema/type.h"

namespace sluice {

/// Rows of one file, in file order.
struct RowSegment {
  std::string file_path;
  std::string source_system;
  int64_t first_row = 0;  ///< of `batch` within its file, good rows only: `_source_row`
  std::shared_ptr<arrow::RecordBatch> batch;
};

/// What every row of a batch shares.
struct BatchFacts {
  Timestamp loaded_at;
  std::string batch_id;
};

/// One record batch of all segments, which have the same columns. Table columns that the segments lack are filled from the facts
/// (metadata columns) or null. Text that repeats per file is a dictionary column: it costs next to nothing.
Result<std::shared_ptr<arrow::RecordBatch>> table_rows(const Schema& table, const std::vector<RowSegment>& segments,
                                                       const BatchFacts& facts);

/// Bytes that a record batch holds, roughly: for limits.
int64_t bytes_in(const arrow::RecordBatch& batch);

}  // namespace sluice
