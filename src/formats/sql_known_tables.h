// The tables that a SQL dump named so far. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "formats/sql_table.h"

namespace sluice {

/// What is held of names.
inline constexpr int64_t kSqlKnownTablesBytesMax = 64 * kMiB;

class SqlKnownTables {
 public:
  /// It was created, or (`has_rows`) got rows. False: it would be above kSqlKnownTablesBytesMax.
  [[nodiscard]] bool add(const SqlTableName& name, bool has_rows);

  bool has(const SqlTableName& name) const { return tables_.contains(name.parts); }
  bool has_rows(const SqlTableName& name) const;

  std::vector<SqlTableName> with_rows() const;
  /// Those with rows that may lie in a schema of the database in use, or in a database: those without a name before theirs may.
  std::vector<SqlTableName> rows_in_schema(std::string_view schema, std::string_view database) const;
  std::vector<SqlTableName> rows_in_database(std::string_view database) const;

 private:
  std::map<std::vector<std::string>, bool> tables_;  ///< parts of the name -> has rows
  int64_t bytes_ = 0;
};

}  // namespace sluice
