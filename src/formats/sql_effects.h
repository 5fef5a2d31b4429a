// What statements of a SQL dump that are not understood do to its tables. Not thread-safe where it reads tokens.
//
// Rows of a query, of a file or of another table; rows that go; and columns that are others from there on. What leaves the rows as they are
// (keys, constraints, owners, defaults) has no effect.
#pragma once

#include <string>
#include <vector>

#include "formats/sql_known_tables.h"
#include "formats/sql_table.h"
#include "formats/sql_tokens.h"

namespace sluice {

struct SqlEffect {
  SqlTableName table;
  bool gives_rows = false;  ///< or columns, to rows that follow, too; else it concerns the rows that are there, and nothing where none are
  std::string reason;       ///< "... is not understood"
};

/// Of the statement whose first word is in hand, which is none that SqlDump understands; of each table once. Some token of the statement,
/// or its end, is in hand at the end. `database`: as of read_sql_table_name(). `tables`: those that came before.
std::vector<SqlEffect> read_sql_effects(SqlTokens& tokens, const std::string& database, const SqlKnownTables& tables);

}  // namespace sluice
