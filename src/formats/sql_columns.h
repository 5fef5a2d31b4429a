// Which columns the rows of a table in a dump have, and of which types. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/sql_dump.h"
#include "schema/inference.h"
#include "schema/name_index.h"

namespace sluice {

/// Columns by CREATE TABLE and by the names in INSERT and COPY.
class SqlColumns {
 public:
  /// What CREATE TABLE says.
  void define(std::vector<SqlColumn> columns) { defined_ = std::move(columns); }
  const std::vector<SqlColumn>& defined() const { return defined_; }
  bool any_generated() const;

  /// The columns of rows that name these; or none, then all, or where none is defined `count` of them. Of a column that is not defined
  /// nothing but its name is known.
  std::vector<SqlColumn> of_rows(const std::vector<std::string>& names, size_t count, DumpDialect dialect) const;

 private:
  SqlColumn named(const std::string& name, DumpDialect dialect) const;

  std::vector<SqlColumn> defined_;
};

/// Types of columns: as declared, else by their values.
class SqlGuess {
 public:
  explicit SqlGuess(const InferOptions& options) : options_(options) {}

  void see_column(const SqlColumn& column) { entry(column); }
  void see_value(const SqlColumn& column, const SqlValue& value);
  bool all_declared() const;
  bool knows(const SqlColumn& column) { return names_.find(column.name) >= 0; }
  /// In order of appearance; without a type where nothing told one.
  std::vector<Field> fields() const;

 private:
  struct Entry {
    TypePtr declared;
    ColumnGuess guess;
    bool bytes = false, others = false;
  };
  Entry& entry(const SqlColumn& column);

  InferOptions options_;
  NameIndex names_;
  std::vector<Entry> entries_;
};

/// What people should know of these columns: types read as string, columns without values.
std::vector<std::string> warnings_about(const std::vector<SqlColumn>& columns, SqlGuess& guess);

}  // namespace sluice
