#include "formats/sql_routine.h"

#include <cstdint>

namespace sluice {
namespace {

/// Keywords that are names, too, are told by what stands around them: t.begin, `begin date`, UPDATE OF begin.
class KeywordsAround {
 public:
  void pass(const SqlToken& token) {
    is_begin_ = !is_dot_ && token.is_word("BEGIN");
    is_end_ = !is_dot_ && token.is_word("END");
    is_dot_ = token.is('.');
  }
  bool is_behind_begin() const { return is_begin_; }
  bool is_behind_end() const { return is_end_; }
  bool is_behind_dot() const { return is_dot_; }

 private:
  bool is_begin_ = false, is_end_ = false, is_dot_ = false;
};

bool begins_statement(const SqlToken& token, DumpDialect dialect) {
  if (token.is_word("ATOMIC")) return dialect != DumpDialect::kMysql;
  // Other functions of PostgreSQL are strings.
  if (dialect == DumpDialect::kPostgresql) return false;
  return is_any(token,
                {"BEGIN",  "CALL",     "CASE",   "CLOSE",   "COMMIT", "CREATE", "DECLARE",  "DELETE",  "DROP",   "END",     "FETCH",
                 "GET",    "IF",       "INSERT", "ITERATE", "LEAVE",  "LOOP",   "OPEN",     "PREPARE", "REPEAT", "REPLACE", "RESIGNAL",
                 "RETURN", "ROLLBACK", "SELECT", "SET",     "SIGNAL", "START",  "TRUNCATE", "UPDATE",  "WHILE",  "WITH"});
}

/// Up to the first word behind BEGIN. False: the statement ended without.
bool find_statements(SqlTokens& tokens) {
  const DumpDialect dialect = tokens.dialect();
  for (KeywordsAround around; !tokens.token().ends_statement(); tokens.next()) {
    if (around.is_behind_begin() && begins_statement(tokens.token(), dialect)) return true;
    around.pass(tokens.token());
  }
  return false;
}

/// SQLite's shell looks for "; END ;" and nothing else: begin, case and end may be names of columns.
bool skip_trigger_of_sqlite(SqlTokens& tokens) {
  enum { kWithin, kBehindTerminator, kBehindEnd } state = kWithin;
  for (; tokens.token().kind != SqlTokenKind::kEnd; tokens.next()) {
    if (tokens.token().kind == SqlTokenKind::kTerminator) {
      if (state == kBehindEnd) return true;
      state = kBehindTerminator;
    } else {
      state = state == kBehindTerminator && tokens.token().is_word("END") ? kBehindEnd : kWithin;
    }
  }
  return state == kBehindEnd;
}

/// From the first word behind BEGIN. END closes BEGIN and CASE; END IF and the like close what is not counted.
bool skip_blocks(SqlTokens& tokens) {
  const DumpDialect dialect = tokens.dialect();
  int64_t depth = 1;
  KeywordsAround around;
  for (; tokens.token().kind != SqlTokenKind::kEnd; tokens.next()) {
    const SqlToken& token = tokens.token();
    if (around.is_behind_begin() && begins_statement(token, dialect)) ++depth;
    if (around.is_behind_end() && !is_any(token, {"IF", "LOOP", "REPEAT", "WHILE"})) --depth;
    if (token.is_word("CASE") && !around.is_behind_end() && !around.is_behind_dot()) ++depth;
    if (token.kind == SqlTokenKind::kTerminator && depth <= 0) return true;
    around.pass(token);
  }
  return depth <= (around.is_behind_end() ? 1 : 0);
}

}  // namespace

bool skip_sql_routine(SqlTokens& tokens) {
  const bool is_trigger = tokens.token().is_word("TRIGGER");
  if (tokens.has_own_delimiter()) {
    while (!tokens.token().ends_statement()) tokens.next();
    return true;
  }
  if (!find_statements(tokens)) return true;
  // Where nothing tells: MySQL's would have a delimiter of their own, and PostgreSQL's triggers hold no statements.
  const bool is_sqlite = tokens.dialect() == DumpDialect::kSqlite || tokens.dialect() == DumpDialect::kAuto;
  return is_trigger && is_sqlite ? skip_trigger_of_sqlite(tokens) : skip_blocks(tokens);
}

}  // namespace sluice
