// Record batches in a file's own types -> the table's columns: matched by name, passed on as they are where the types are the same,
// else converted value by value where exact; what fits nowhere is rescued, refused or noted as drift. Not thread-safe.
//
// What goes to `_rescued_data` is named as for JSON: a column that the table lacks (where it is not null), a value that does not fit its
// column, "a.x" for a member of struct a, "a[2].x" within a list. An evolving schema hears of columns and members that the table lacks
// as soon as the file has them, for the file says their types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "schema/arrow_value.h"
#include "schema/rescue_row.h"
#include "schema/type.h"

namespace sluice {

/// A row that has no place in the table at all.
struct MisfitRow {
  int64_t row = 0;  ///< within its batch
  std::string reason;
  std::string json;  ///< the row
};

struct ConformedBatch {
  std::shared_ptr<arrow::RecordBatch> batch;  ///< without the misfit rows; `_rescued_data` last where rescue was asked for
  int64_t rows_rescued = 0;
  std::vector<MisfitRow> misfits;
};

class BatchConformer {
 public:
  /// SchemaMismatch: the file lacks a required column; without `rescue` also a column that the table lacks.
  static Result<BatchConformer> bind(const arrow::Schema& file, const Schema& table, bool rescue);

  /// `first_row` of the batch in its file, for messages. SchemaMismatch (without `rescue`): a value does not fit its column. TooLarge: what
  /// is left over takes more than kUnplacedBytesMax.
  Result<ConformedBatch> conform(const arrow::RecordBatch& batch, int64_t first_row);

  /// Columns that the table lacks, and those that refused a value, with the type that the file gives them.
  std::vector<Field> drift() const;

 private:
  struct Column {
    int source = -1;  ///< position in the file; -1: it has none
    bool as_it_is = false;
    bool refused = false;
  };

  BatchConformer() = default;
  Result<std::shared_ptr<arrow::Array>> convert(size_t index, const std::shared_ptr<arrow::Array>& from);
  std::vector<int64_t> describe_misfits(const arrow::RecordBatch& batch);
  void find_missing(const arrow::Array& values, const Field& field);
  void leave_over(int64_t row, const std::string& path, std::string_view json);
  void count_unplaced(int64_t row, size_t bytes);
  void add_misfit(int64_t row, std::string reason);
  Result<std::shared_ptr<arrow::Array>> rescued_column(int64_t rows, int64_t& rows_rescued);

  Schema table_;
  bool rescue_ = true;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  std::vector<Column> columns_;  ///< of the table
  std::vector<int> unknown_;     ///< of the file
  std::vector<Field> found_;     ///< the file's columns; type nullptr: no table can hold it
  ArrowValueAppender appender_;

  // Of the batch in hand:
  std::vector<RescueRow> rescued_;  ///< per row; empty: nothing was rescued yet
  std::vector<MisfitRow> misfits_;
  int64_t batch_rows_ = 0, first_row_ = 0;
  size_t unplaced_bytes_ = 0;
  std::optional<Error> failure_;
};

/// The columns that a file says it has, all optional and without ids, as inference gives them.
std::vector<Field> found_columns(const arrow::Schema& file);

}  // namespace sluice
