#include "formats/sql_target.h"

namespace sluice {

SqlTarget read_sql_insert(SqlTokens& tokens, const std::string& database) {
  const SqlToken* token = &tokens.next();
  while (is_any(*token, {"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "OR", "REPLACE", "ABORT", "FAIL", "ROLLBACK"})) {
    token = &tokens.next();
  }
  if (token->is_word("INTO")) tokens.next();
  SqlTarget target{.table = read_sql_table_name(tokens, database)};
  if (tokens.token().is_word("AS")) {
    tokens.next();
    tokens.next();
  }
  if (tokens.token().is('(')) target.names = read_sql_names(tokens);
  return target;
}

SqlCopy read_sql_copy(SqlTokens& tokens, const std::string& database) {
  SqlCopy copy;
  bool is_text = true;
  for (; is_any(tokens.token(), {"INTO", "BINARY"}); tokens.next()) is_text &= !tokens.token().is_word("BINARY");
  if (tokens.token().is('(')) return copy;  // a query: COPY (SELECT ...) TO
  copy.target.table = read_sql_table_name(tokens, database);
  if (tokens.token().is('(')) copy.target.names = read_sql_names(tokens);
  if (!tokens.token().is_word("FROM")) return copy;
  copy.from = SqlCopyFrom::kElsewhere;
  if (!tokens.next().is_word("STDIN")) return copy;
  is_text &= tokens.next().ends_statement();
  copy.from = is_text ? SqlCopyFrom::kHere : SqlCopyFrom::kHereInOtherFormat;
  return copy;
}

}  // namespace sluice
