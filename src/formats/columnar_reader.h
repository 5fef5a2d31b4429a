// Reader of files that bring their own types (Parquet, ORC, Avro): each format gives record batches, this makes row blocks of the plan's
// columns out of them. Rows are counted, there are no lines: `line` of errors and bad rows is the row's number (1 is the first).
#pragma once

#include <memory>

#include <arrow/type_fwd.h>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"

namespace sluice {

/// A file's rows as it holds them. Errors carry a type of model/file.h.
class BatchFeed {
 public:
  virtual ~BatchFeed() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  /// nullptr at the end. All batches have the schema.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next(Context& context) = 0;
};

Result<std::unique_ptr<Reader>> make_columnar_reader(std::unique_ptr<BatchFeed> feed, const ReadPlan& plan);

/// Arrow takes for good what a broken file says of some values: indices, which would be read from behind their dictionary, and decimals of
/// more digits than their type has.
arrow::Status check_values(const arrow::RecordBatch& batch);

/// What a file's own schema says, without reading a row. ParseError: names that are no UTF-8.
Result<Inferred> infer_from_schema(const arrow::Schema& schema, int64_t rows);

}  // namespace sluice
