// Rows of one table of a SQL dump -> row blocks; and, where a dump has no table, its statements. Not thread-safe.
//
// Columns are matched by the names that CREATE TABLE, INSERT or COPY give. What does not fit its column is rescued; a row or statement that
// is not understood is bad.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/bad_row_tally.h"
#include "formats/format.h"
#include "formats/sql_columns.h"
#include "formats/sql_dump.h"
#include "formats/sql_listing.h"
#include "schema/column_writer.h"

namespace sluice {

/// The columns of a file that has no table, as of plain text: the line where a statement begins, and the statement.
inline constexpr std::string_view kSqlLineNumber = "line_number", kSqlValue = "value";

/// Knows the statements of the wanted table. Not thread-safe.
class WantedTable {
 public:
  /// `name` empty: the only one there is.
  explicit WantedTable(std::string name) : name_(std::move(name)) {}

  /// Whether the item in hand is of it; what changes rows of a table that is not there yet is not. ParseError: two tables are called so.
  Result<bool> has(const SqlDump& dump, SqlItem item);
  /// At the dump's end. ParseError: there was none.
  Result<void> check_found() const;

 private:
  const std::string name_;
  std::optional<SqlTableName> found_;
  SqlTableNames others_;
  int64_t statement_ = -1;
  bool is_wanted_ = false;  ///< in that statement
};

class SqlReader final : public Reader {
 public:
  /// `table`: as in WantedTable.
  SqlReader(std::unique_ptr<ByteSource> source, std::string table, const ReadPlan& plan);

  Result<std::optional<RowBlock>> next(Context& context) override;
  Drift drift() const override { return {drift_.fields()}; }

 private:
  struct Bound {
    SqlColumn column;
    int target = -1;  ///< position in the plan; -1: the table has no such column
  };

  Result<void> take_item(SqlItem item, RowBlock& block);
  Result<void> take_row(RowBlock& block);
  Result<void> bind();
  Result<void> take_value(Bound& bound, SqlValue value);
  Result<void> rescue(const Bound& bound, const SqlValue& value);
  Result<void> reject(const SqlProblem& problem, RowBlock& block);
  Error error_at(int64_t line, int64_t byte, std::string_view reason, std::string_view type) const;

  SqlDump dump_;
  WantedTable wanted_;
  const ReadPlan plan_;
  RowWriter rows_;
  BadRowTally tally_;
  SqlColumns columns_;
  std::vector<Bound> bound_;
  std::vector<std::string> bound_names_;  ///< that bound_ was made for
  SqlGuess drift_;
  SqlProblem row_problem_;  ///< of a value of the row in hand
  int64_t rows_read_ = 0;
  bool ended_ = false;
};

/// Every statement of a file as a row.
class SqlStatementReader final : public Reader {
 public:
  SqlStatementReader(std::unique_ptr<ByteSource> source, const ReadPlan& plan);

  Result<std::optional<RowBlock>> next(Context& context) override;
  Drift drift() const override;

 private:
  Result<void> take_statement(RowBlock& block);

  SqlDump dump_;
  const ReadPlan plan_;
  RowWriter rows_;
  BadRowTally tally_;
  int64_t rows_read_ = 0;
  bool ended_ = false;
};

}  // namespace sluice
