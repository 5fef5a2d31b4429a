// Which table and columns INSERT and COPY fill. Not thread-safe where it reads tokens.
#pragma once

#include <string>
#include <vector>

#include "formats/sql_table.h"
#include "formats/sql_tokens.h"

namespace sluice {

struct SqlTarget {
  SqlTableName table;
  std::vector<std::string> names;  ///< of columns; empty: all of the table
};

/// INSERT or REPLACE, the word in hand; the token behind table, alias and names at the end. `database` as of read_sql_table_name().
SqlTarget read_sql_insert(SqlTokens& tokens, const std::string& database);

enum class SqlCopyFrom {
  kNowhere,            ///< COPY ... TO: it reads
  kHere,               ///< the lines behind the statement, in text format
  kHereInOtherFormat,  ///< the same in a format that options say
  kElsewhere,          ///< a file or program
};

struct SqlCopy {
  SqlTarget target;
  SqlCopyFrom from = SqlCopyFrom::kNowhere;
};

/// What follows the word COPY, its first token in hand; some token of the statement, or its end, at the end.
SqlCopy read_sql_copy(SqlTokens& tokens, const std::string& database);

}  // namespace sluice
