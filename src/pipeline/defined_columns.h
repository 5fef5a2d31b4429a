// The columns of one file whose columns are defined: which of its fields its reader is to fill, and how the table's columns are made of
// them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "formats/format.h"
#include "pipeline/column_check.h"
#include "pipeline/column_rules.h"

namespace sluice {

/// How one column of the plan is made.
struct DefinedColumn {
  enum Kind {
    kField,     ///< as the reader gives it
    kTakenUp,   ///< the same, and strings that the reader leaves over are read as the column's type
    kJsonText,  ///< all that the reader leaves over of the field, as it stands there
    kTextJson,  ///< a field of a text format: JSON as it is, other text as a JSON string
    kOfFile,    ///< one value for all rows
    kNull,      ///< its field became another column
  } kind = kField;
  int source = -1;                      ///< position in the file's plan
  std::string key;                      ///< of the field in `_rescued_data`, with its quotes
  std::shared_ptr<arrow::Array> value;  ///< kOfFile: one row
  std::optional<ColumnChecker> checker;
};

/// The columns of one file, bound to a plan. Immutable and thread-safe: several readers may share it.
class DefinedColumns {
 public:
  /// SchemaMismatch: in mode fixed, a value of the path does not fit or has no column; a path_pattern is not found. kInvalidInput: the
  /// definitions do not fit the plan.
  static Result<std::shared_ptr<const DefinedColumns>> bind(std::shared_ptr<const ColumnRules> rules, const ReadPlan& plan,
                                                            const Format& format, const ClaimedFile& file);

  /// What the format's own reader is to fill: also for Format::split().
  const ReadPlan& file_plan() const { return file_plan_; }
  // For the reader:
  const ReadPlan& plan() const { return plan_; }
  const std::vector<DefinedColumn>& columns() const { return columns_; }
  const std::string& rescued_of_file() const { return rescued_of_file_; }
  /// Whether rows are looked at one by one for what the reader leaves over.
  bool takes_leftovers() const { return takes_leftovers_; }
  Drift drift(const Drift& of_fields) const;
  /// Once rows were read: a column that must have values, and that neither the table nor this file has.
  std::optional<std::string> missing_column(const Drift& of_fields) const;

 private:
  Result<void> bind_column(const Field& field, bool is_typed);
  Result<void> bind_file_columns();
  Result<void> leave_over(const FileColumn& column, const std::string& why);

  std::shared_ptr<const ColumnRules> rules_;
  ReadPlan plan_, file_plan_;
  std::vector<FileColumn> of_file_;
  std::vector<DefinedColumn> columns_;  ///< of plan_
  std::string rescued_of_file_;         ///< members of `_rescued_data` that every row gets
  std::vector<Field> drift_of_file_;
  bool takes_leftovers_ = false;
};

}  // namespace sluice
