#include "formats/sql_effects.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "formats/sql_target.h"

namespace sluice {
namespace {

class EffectReader {
 public:
  EffectReader(SqlTokens& tokens, const std::string& database, const SqlKnownTables& tables)
      : tokens_(tokens), database_(database), tables_(tables) {}

  std::vector<SqlEffect> read();

 private:
  const SqlToken& token() const { return tokens_.token(); }
  bool at_end() const { return token().ends_statement(); }
  /// Goes on, but not behind the statement's end.
  const SqlToken& next() { return at_end() ? token() : tokens_.next(); }
  void pass(std::initializer_list<std::string_view> words);
  SqlTableName read_name() { return token().is_identifier() ? read_sql_table_name(tokens_, database_) : SqlTableName{}; }

  void gives(SqlTableName table, std::string reason) { effects_.push_back({std::move(table), true, std::move(reason)}); }
  void changes(SqlTableName table, std::string reason) { effects_.push_back({std::move(table), false, std::move(reason)}); }
  void change_columns(const SqlTableName& table, std::string_view what);

  void read_statement();
  void read_change(const std::string& reason);
  void read_insert();
  void read_load();
  void read_drop();
  void read_drop_schema();
  void read_select();
  void read_into();
  void read_with();
  void read_with_body();
  void read_rename();
  void read_rollback();
  void take_rename(const SqlTableName& from, SqlTableName to, const std::string& reason);
  void read_alter();
  void read_alter_clause(const SqlTableName& table);
  void read_add(const SqlTableName& table);
  void read_alter_drop(const SqlTableName& table);
  void read_alter_rename(const SqlTableName& table);
  void read_alter_change(const SqlTableName& table);
  void read_alter_partition(const SqlTableName& table, std::string_view verb);
  bool has_keys();
  bool is_key_or_constraint();
  bool is_clause_of_two_words();

  SqlTokens& tokens_;
  const std::string& database_;
  const SqlKnownTables& tables_;
  std::vector<SqlEffect> effects_;
};

std::vector<SqlEffect> EffectReader::read() {
  read_statement();
  std::erase_if(effects_, [](const SqlEffect& effect) { return effect.table.empty(); });
  using Key = std::tuple<const std::vector<std::string>&, bool>;
  std::ranges::stable_sort(effects_, {}, [](const SqlEffect& effect) { return Key(effect.table.parts, !effect.gives_rows); });
  const auto repeated = std::ranges::unique(effects_, {}, &SqlEffect::table);
  effects_.erase(repeated.begin(), repeated.end());
  return std::move(effects_);
}

void EffectReader::pass(std::initializer_list<std::string_view> words) {
  while (is_any(token(), words)) next();
}

void EffectReader::read_statement() {
  const SqlToken& word = token();
  for (const std::string_view verb : {"UPDATE", "DELETE", "MERGE", "TRUNCATE"}) {
    if (word.is_word(verb)) return read_change(fmt::format("{} of rows is not understood", verb));
  }
  if (is_any(word, {"INSERT", "REPLACE"})) {
    read_insert();
  } else if (word.is_word("LOAD")) {
    read_load();
  } else if (word.is_word("DROP")) {
    read_drop();
  } else if (word.is_word("SELECT")) {
    read_select();
  } else if (word.is_word("WITH")) {
    read_with();
  } else if (word.is_word("ALTER")) {
    read_alter();
  } else if (word.is_word("RENAME")) {
    read_rename();
  } else if (word.is_word("ROLLBACK")) {
    read_rollback();
  }
}

/// SQLite's .dump ends so where it failed: nobody can say which rows before it hold. Savepoints and prepared transactions are others'.
void EffectReader::read_rollback() {
  next();
  pass({"WORK", "TRANSACTION"});
  if (is_any(token(), {"TO", "PREPARED"})) return;
  for (SqlTableName& table : tables_.with_rows()) changes(std::move(table), "ROLLBACK behind rows is not understood");
}

/// The word before the table, or before words that say more, is in hand.
void EffectReader::read_change(const std::string& reason) {
  if (next().is_word("OR")) {  // SQLite's UPDATE OR IGNORE
    next();
    next();
  }
  pass({"FROM", "TABLE", "ONLY", "INTO", "IGNORE", "LOW_PRIORITY", "QUICK", "IF", "EXISTS"});
  for (SqlTableName& table : read_sql_table_names(tokens_, database_)) changes(std::move(table), reason);
}

/// Behind WITH, or in its parentheses: what it inserts may be what a query finds.
void EffectReader::read_insert() {
  SqlTableName table = read_sql_insert(tokens_, database_).table;
  const bool has_values = is_any(token(), {"VALUES", "VALUE"});
  gives(std::move(table), has_values ? "INSERT behind WITH is not understood" : "INSERT without VALUES is not understood");
}

/// MySQL's LOAD DATA ... INTO TABLE t; PostgreSQL loads libraries.
void EffectReader::read_load() {
  while (!at_end() && !token().is_word("INTO")) next();
  if (!next().is_word("TABLE")) return;
  next();
  gives(read_name(), "LOAD DATA is not understood: its rows are not in the dump");
}

void EffectReader::read_drop() {
  next();
  pass({"TEMPORARY"});
  if (token().is_word("TABLE")) return read_change("DROP TABLE behind rows is not understood");
  if (is_any(token(), {"SCHEMA", "DATABASE"})) read_drop_schema();
}

/// To MySQL a schema is a database. Where nothing tells what wrote the dump it may be either.
void EffectReader::read_drop_schema() {
  const DumpDialect dialect = tokens_.dialect();
  const bool is_schema = token().is_word("SCHEMA") && dialect != DumpDialect::kMysql;
  const bool is_database = !is_schema || dialect == DumpDialect::kAuto;
  const std::string reason = fmt::format("DROP {} behind rows is not understood", token().is_word("SCHEMA") ? "SCHEMA" : "DATABASE");
  next();
  pass({"IF", "EXISTS"});
  for (const SqlTableName& name : read_sql_table_names(tokens_, {})) {
    if (name.empty()) continue;
    if (is_schema) {
      for (SqlTableName& table : tables_.rows_in_schema(name.parts.back(), database_)) changes(std::move(table), reason);
    }
    if (is_database) {
      for (SqlTableName& table : tables_.rows_in_database(name.parts.back())) changes(std::move(table), reason);
    }
  }
}

void EffectReader::read_select() {
  for (bool is_name = false; !at_end(); next()) {
    if (token().is('(')) skip_parenthesis(tokens_);
    if (!is_name && token().is_word("INTO")) return read_into();
    is_name = token().is_word("AS") || token().is('.');
  }
}

/// SELECT ... INTO a table; MySQL writes files so, and variables.
void EffectReader::read_into() {
  next();
  if (is_any(token(), {"OUTFILE", "DUMPFILE"})) return;
  pass({"TEMP", "TEMPORARY", "LOCAL", "GLOBAL", "UNLOGGED", "TABLE"});
  gives(read_name(), "SELECT INTO is not understood");
}

void EffectReader::read_with() {
  next();
  pass({"RECURSIVE"});
  for (bool is_name = true; !at_end(); next()) {
    if (!is_name && is_any(token(), {"INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "SELECT"})) return read_statement();
    if (token().is('(')) read_with_body();
    is_name = token().is(',');
  }
}

/// A query of WITH, or names of its columns; to the ')'. In PostgreSQL it may change tables.
void EffectReader::read_with_body() {
  next();
  if (is_any(token(), {"INSERT", "UPDATE", "DELETE", "MERGE"})) read_statement();
  for (int64_t depth = 1; !at_end(); next()) {
    depth += token().is('(') ? 1 : token().is(')') ? -1 : 0;
    if (depth == 0) return;
  }
}

/// MySQL's RENAME TABLE a TO b, c TO d.
void EffectReader::read_rename() {
  if (!is_any(next(), {"TABLE", "TABLES"})) return;
  do {
    next();
    pass({"IF", "EXISTS"});
    const SqlTableName from = read_name();
    while (!at_end() && !token().is(',') && !token().is_word("TO")) next();  // WAIT 10
    if (!token().is_word("TO")) return;
    next();
    take_rename(from, read_name(), "RENAME TABLE behind rows is not understood");
  } while (token().is(','));
}

/// The rows that `from` has are those of `to` afterwards. Where a table was cut out of a dump, those of others are not to be seen.
void EffectReader::take_rename(const SqlTableName& from, SqlTableName to, const std::string& reason) {
  if (tables_.has_rows(from) || tokens_.is_extract()) gives(std::move(to), reason);
  changes(from, reason);
}

void EffectReader::read_alter() {
  next();
  pass({"ONLINE", "OFFLINE", "IGNORE"});
  if (!token().is_word("TABLE")) return;
  next();
  pass({"IF", "EXISTS", "ONLY"});
  const SqlTableName table = read_name();
  if (token().is('*')) next();
  if (token().is_word("WAIT")) next();  // n
  if (token().is_word("NOWAIT") || token().kind == SqlTokenKind::kNumber) next();
  read_alter_clause(table);
  while (!at_end()) {
    if (token().is('(')) skip_parenthesis(tokens_);
    const bool begins_clause = token().is(',');
    next();
    if (begins_clause) read_alter_clause(table);
  }
}

/// Its first word is in hand; some token of it, or the one behind it, at the end.
void EffectReader::read_alter_clause(const SqlTableName& table) {
  if (token().is_word("ADD")) return read_add(table);
  if (token().is_word("DROP")) return read_alter_drop(table);
  if (token().is_word("RENAME")) return read_alter_rename(table);
  if (token().is_word("CHANGE")) return read_alter_change(table);
  for (const std::string_view verb : {"TRUNCATE", "EXCHANGE", "CONVERT", "DISCARD", "IMPORT"}) {
    if (token().is_word(verb)) return read_alter_partition(table, verb);
  }
}

void EffectReader::change_columns(const SqlTableName& table, std::string_view what) {
  // Of a table that stands nowhere in the dump this says nothing.
  if (tables_.has(table)) gives(table, fmt::format("ALTER TABLE ... {} is not understood", what));
}

/// MySQL's ALTER TABLE speaks of keys, of partitions and of versions; to the others those words are names of columns.
bool EffectReader::has_keys() { return tokens_.dialect() == DumpDialect::kMysql || tokens_.dialect() == DumpDialect::kAuto; }

/// The token behind ADD or DROP, which may be passed over.
bool EffectReader::is_key_or_constraint() {
  if (is_any(token(), {"CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "DEFAULT"})) return true;
  if (!has_keys()) return false;
  if (is_any(token(), {"KEY", "INDEX", "FULLTEXT", "SPATIAL", "GENERATED"})) return true;
  return is_clause_of_two_words();
}

bool EffectReader::is_clause_of_two_words() {
  if (token().is_word("SYSTEM")) return next().is_word("VERSIONING");
  if (token().is_word("PERIOD")) return next().is_word("FOR");
  return token().is_word("VECTOR") && is_any(next(), {"INDEX", "KEY"});
}

void EffectReader::read_add(const SqlTableName& table) {
  if (next().is('(')) next();
  if (has_keys() && token().is_word("PARTITION")) return;
  if (!is_key_or_constraint()) change_columns(table, "ADD of a column");
}

void EffectReader::read_alter_drop(const SqlTableName& table) {
  next();
  if (has_keys() && token().is_word("PARTITION")) return change_columns(table, "DROP PARTITION");
  if (!is_key_or_constraint()) change_columns(table, "DROP of a column");
}

/// RENAME [TO | AS] t; RENAME [COLUMN] a TO b; RENAME {INDEX | KEY | CONSTRAINT} a TO b.
void EffectReader::read_alter_rename(const SqlTableName& table) {
  const std::string reason = "ALTER TABLE ... RENAME behind rows is not understood";
  next();
  if (token().is_word("CONSTRAINT") || (has_keys() && is_any(token(), {"INDEX", "KEY"}))) return;
  if (token().is_word("COLUMN")) return change_columns(table, "RENAME of a column");
  pass({"TO", "AS"});
  SqlTableName to = read_name();
  if (to.empty()) return;
  if (token().is_word("TO")) return change_columns(table, "RENAME of a column");
  // Without a schema it stays where it was; MySQL's goes to the database in use.
  const size_t parts = to.parts.size() - (database_.empty() ? 0 : 1);
  if (parts == 1 && !table.empty() && tokens_.dialect() != DumpDialect::kMysql) {
    std::string name = std::move(to.parts.back());
    to = table;
    to.parts.back() = std::move(name);
  }
  take_rename(table, std::move(to), reason);
}

/// CHANGE [COLUMN] [IF EXISTS] a b type; phpMyAdmin writes the same name twice.
void EffectReader::read_alter_change(const SqlTableName& table) {
  next();
  pass({"COLUMN", "IF", "EXISTS"});
  const std::string before(token().text);
  if (next().is_identifier() && token().text != before) change_columns(table, "CHANGE of a column's name");
}

/// Rows go with TRUNCATE PARTITION and DISCARD TABLESPACE, come with the others, and EXCHANGE PARTITION ... WITH TABLE t does both.
void EffectReader::read_alter_partition(const SqlTableName& table, std::string_view verb) {
  const std::string_view what = verb == "DISCARD" || verb == "IMPORT" ? "TABLESPACE" : "PARTITION";
  next();
  if (verb == "CONVERT" && token().is_word("TABLE")) return change_columns(table, "CONVERT TABLE");
  if (!token().is_word("PARTITION") && !token().is_word(what)) return;
  change_columns(table, fmt::format("{} {}", verb, what));
  if (verb != "EXCHANGE") return;
  while (!at_end() && !token().is_word("TABLE")) next();
  next();
  changes(read_name(), "ALTER TABLE ... EXCHANGE PARTITION is not understood");
}

}  // namespace

std::vector<SqlEffect> read_sql_effects(SqlTokens& tokens, const std::string& database, const SqlKnownTables& tables) {
  return EffectReader(tokens, database, tables).read();
}

}  // namespace sluice
