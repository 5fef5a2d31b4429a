// Names and columns of the tables in a SQL dump. Not thread-safe where it reads tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/sql_tokens.h"
#include "formats/sql_types.h"

namespace sluice {

/// Columns of one CREATE TABLE that are kept; a dump that has more is TooLarge.
inline constexpr size_t kSqlColumnsMax = 16 * 1024;

/// An identifier as the database knows it: PostgreSQL folds what stands without quotes to lower case.
std::string sql_identifier(const SqlToken& token, DumpDialect dialect);

/// A table's name: database (where USE or \connect named one), schema (PostgreSQL), table.
struct SqlTableName {
  std::vector<std::string> parts;

  bool empty() const { return parts.empty(); }
  std::string text() const;  ///< joined by dots
  /// Whether `wanted` names this table: its name alone, or with the parts before it.
  bool is_called(std::string_view wanted) const;
  bool operator==(const SqlTableName&) const = default;
};

/// SQLite keeps what it knows of tables in tables of its own.
bool is_table_of_sqlite(const SqlTableName& name, DumpDialect dialect);

/// Reads `a.b.c`, the first part being the token in hand; leaves the token behind it in hand. `database` comes first where not empty.
SqlTableName read_sql_table_name(SqlTokens& tokens, const std::string& database);

/// Reads `a.b, ONLY c` in the same way; each name once, in no order.
std::vector<SqlTableName> read_sql_table_names(SqlTokens& tokens, const std::string& database);

struct SqlColumn {
  std::string name;
  DeclaredType declared;
  SqlType type;
  bool generated = false;  ///< computed by the database: dumps do not hold its values
};

/// Reads the parenthesis of a CREATE TABLE whose '(' is in hand, up to its ')', which is in hand at the end. Constraints and keys are
/// passed over. A broken one ends early, with whatever token it ended at in hand.
std::vector<SqlColumn> read_sql_columns(SqlTokens& tokens, bool utc);

/// Reads `(a, b)` with '(' in hand, up to the token behind ')'.
std::vector<std::string> read_sql_names(SqlTokens& tokens);

/// Passes over a parenthesis whose '(' is in hand; its ')' is in hand at the end, or the end of the statement.
void skip_parenthesis(SqlTokens& tokens);

}  // namespace sluice
