#include "formats/sql_dump.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "formats/bad_row_tally.h"
#include "formats/sql_routine.h"
#include "model/file.h"

namespace sluice {
namespace {

std::string upper_case(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

/// What a dump may say of its encoding and mean UTF-8, or text that proves itself to be.
bool reads_as_utf8(std::string_view encoding) {
  const std::string name = upper_case(encoding);
  return name.starts_with("UTF8") || name.starts_with("UTF-8") || name == "ASCII" || name == "SQL_ASCII" || name == "BINARY" ||
         name == "DEFAULT";
}

std::string backquoted(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) quoted += c == '`' ? "``" : std::string(1, c);
  return quoted + "`";
}

/// The word behind `key`, without quotes; empty: there is none.
std::string_view word_behind(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t='\""), text.size()));
  return text.substr(0, text.find_first_of(" ,'\"\n"));
}

}  // namespace

std::string statements_between(const SqlSettings& from, const SqlSettings& to) {
  if (from == to) return {};
  std::string text;
  if (from.delimiter != ";") text += "DELIMITER ;\n";
  if (from.backslash_escapes != to.backslash_escapes) {
    text += fmt::format("SET standard_conforming_strings = {};\n", to.backslash_escapes ? "off" : "on");
  }
  if (from.utc != to.utc) text += fmt::format("SET TIME_ZONE = '{}';\n", to.utc ? "+00:00" : "SYSTEM");
  if (from.database != to.database) text += fmt::format("USE {};\n", backquoted(to.database));
  if (to.delimiter != ";") text += fmt::format("DELIMITER {}\n", to.delimiter);
  return text;
}

SqlDump::SqlDump(std::unique_ptr<ByteSource> source, const SqlOptions& options, bool keep_statements, size_t block_bytes)
    : tokens_(std::move(source), options.dialect, block_bytes), keep_statements_(keep_statements) {}

Result<SqlItem> SqlDump::next(Context& context) {
  TRY(context.check());
  tokens_.text().use(context);
  const SqlItem item = next_item();
  if (tokens_.text().failure()) return std::unexpected(*tokens_.text().failure());
  return item;
}

SqlItem SqlDump::next_item() {
  for (;;) {
    Step step;
    switch (state_) {
      case State::kInsertRows: step = next_insert_row(); break;
      case State::kCopyRows: step = next_copy_row(); break;
      case State::kChanges: step = next_change(); break;
      case State::kStatements: step = next_statement(); break;
    }
    has_given_ |= step.has_value();
    if (step) return *step;
  }
}

std::string SqlDump::raw() {
  std::string text = tokens_.text().captured();
  text.resize(std::min(text.size(), static_cast<size_t>(raw_end_ - raw_begin_)));
  if (raw_begin_ > byte_) text.insert(0, "(");
  text.resize(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

/// At the front of a statement: psql's commands, the client's DELIMITER and empty statements are passed over.
SqlDump::Step SqlDump::next_statement() {
  if (std::exchange(has_given_, false)) statement_end_byte_ = tokens_.text().byte();
  tokens_.capture_from_next(keep_statements_ ? static_cast<size_t>(kRowBytesMax) : kSqlDefinitionBytesMax);
  const SqlToken& token = tokens_.next();
  apply_executed_comments();
  if (token.kind == SqlTokenKind::kEnd) return SqlItem::kEnd;
  if (token.kind == SqlTokenKind::kTerminator) return std::nullopt;
  if (token.is('\\')) {
    connect(tokens_.rest_of_line());
    return std::nullopt;
  }
  if (token.is_word("DELIMITER")) {
    read_delimiter();
    return std::nullopt;
  }
  ++statement_;
  line_ = token.line;
  byte_ = raw_begin_ = statement_byte_ = token.byte;
  problem_ = {};
  return keep_statements_ ? keep_statement() : read_statement();
}

SqlDump::Step SqlDump::read_statement() {
  const SqlToken& token = tokens_.token();
  if (token.is_word("CREATE")) return read_create();
  if (is_any(token, {"INSERT", "REPLACE"})) return read_insert();
  if (token.is_word("COPY")) return read_copy();
  if (token.is_word("LOAD")) return read_load();
  if (token.is_word("DROP")) return read_drop();
  if (is_any(token, {"UPDATE", "DELETE", "MERGE", "TRUNCATE"}))
    return read_change(fmt::format("{} of rows is not understood", upper_case(token.text)));
  if (token.is_word("SET")) {
    read_set();
  } else if (token.is_word("USE")) {
    read_use();
  } else {
    skip_statement();
  }
  return std::nullopt;
}

SqlDump::Step SqlDump::keep_statement() {
  if (tokens_.token().is_word("CREATE")) {
    read_create();
  } else if (tokens_.token().is_word("SET")) {
    read_set();
  } else {
    skip_statement();
  }
  raw_end_ = tokens_.token().byte;
  if (tokens_.text().capture_is_cut()) {
    tokens_.text().fail_at(line_, byte_, error_type::kTooLarge,
                           fmt::format("a statement above the limit of {} MiB begins here", kRowBytesMax / kMiB));
  }
  return SqlItem::kStatement;
}

void SqlDump::refuse(std::string_view reason) {
  tokens_.text().fail_at(tokens_.token().line, tokens_.token().byte, error_type::kParseError, std::string(reason));
}

void SqlDump::apply_executed_comments() {
  const std::string executed = upper_case(tokens_.take_executed_comments());
  if (executed.empty()) return;
  set("NAMES", word_behind(executed, "SET NAMES"));
  set("TIME_ZONE", word_behind(executed, "SET TIME_ZONE"));
  set("SQL_MODE", word_behind(executed, "SQL_MODE="));
}

/// A setting that changes how values are written; both in upper case. A variable (@x) brings back what was before.
void SqlDump::set(const std::string& name, std::string_view value) {
  if (value.empty() || value.starts_with('@')) return;
  if ((name == "CLIENT_ENCODING" || name == "NAMES") && !reads_as_utf8(value)) {
    refuse(fmt::format("the dump says that its text is {}; only UTF-8 is read: dump it as UTF-8, or convert it and what it says", value));
  }
  if (name == "STANDARD_CONFORMING_STRINGS") {
    settings_.backslash_escapes = value == "OFF" || value == "FALSE" || value == "0";
    tokens_.set_backslash_escapes(settings_.backslash_escapes);
  }
  if (name == "TIME_ZONE") settings_.utc = value == "+00:00";
  if (name == "SQL_MODE" && value.find("NO_BACKSLASH_ESCAPES") != std::string_view::npos)
    refuse("SQL mode NO_BACKSLASH_ESCAPES is not supported");
}

/// `SET [SESSION] name = value` or `SET name TO value`.
void SqlDump::read_set() {
  std::string name;
  for (const SqlToken* token = &tokens_.next(); !token->ends_statement(); token = &tokens_.next()) {
    if (token->is(',')) name.clear();
    if (token->is('@')) name = "@";
    const bool is_value = token->is_identifier() || token->kind == SqlTokenKind::kString || token->kind == SqlTokenKind::kNumber;
    if (!is_value || is_any(*token, {"SESSION", "LOCAL", "GLOBAL", "TO"})) continue;
    if (name.empty()) {
      name = upper_case(token->text);
    } else {
      set(std::exchange(name, "@"), upper_case(token->text));
    }
  }
}

void SqlDump::read_use() {
  if (tokens_.next().is_identifier()) settings_.database = std::string(tokens_.token().text);
  skip_statement();
}

void SqlDump::read_delimiter() {
  const std::string line = tokens_.rest_of_line();
  const std::string_view delimiter = word_behind(line, "");
  settings_.delimiter = delimiter.empty() ? ";" : std::string(delimiter);
  tokens_.set_delimiter(settings_.delimiter);
}

/// psql's `\connect [-reuse-previous=on] database`; its other commands change nothing.
void SqlDump::connect(std::string_view line) {
  if (!line.starts_with("connect ") && !line.starts_with("c ")) return;
  line.remove_prefix(line.find(' ') + 1);
  if (line.starts_with('-')) line.remove_prefix(std::min(line.find(' '), line.size()));
  if (const size_t at = line.find("dbname="); at != std::string_view::npos) line.remove_prefix(at + 7);
  if (const std::string_view database = word_behind(line, ""); !database.empty()) settings_.database = std::string(database);
}

void SqlDump::skip_statement() {
  while (!tokens_.token().ends_statement()) tokens_.next();
}

/// CREATE of anything but a table. Only the word in hand says whether it may hold statements: further behind, that word is a name.
void SqlDump::skip_created() {
  if (!is_any(tokens_.token(), {"TRIGGER", "FUNCTION", "PROCEDURE", "EVENT"})) return skip_statement();
  if (skip_sql_routine(tokens_)) return;
  tokens_.text().fail_at(line_, byte_, error_type::kParseError,
                         "the statements of the trigger or function that begins here do not end: the file is cut off, or written by "
                         "another database than it seems; say by which with --sql-dialect");
}

/// Up to the word of CREATE that says what it creates.
void SqlDump::pass_create_options() {
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "CONSTRAINT", "AGGREGATE", "DEFINER"})) {
    const bool is_definer = token->is_word("DEFINER");
    token = &tokens_.next();
    if (!is_definer) continue;
    // DEFINER = user@host: up to the first word that is no part of it.
    for (bool is_part = true; !token->ends_statement() && (is_part || token->kind != SqlTokenKind::kWord); token = &tokens_.next())
      is_part = token->is('=') || token->is('@') || token->is('.');
  }
}

SqlDump::Step SqlDump::misunderstood(std::string reason) {
  problem_ = {std::move(reason), tokens_.token().line, tokens_.token().byte};
  skip_statement();
  raw_end_ = tokens_.token().byte;
  return SqlItem::kProblem;
}

SqlDump::Step SqlDump::read_create() {
  pass_create_options();
  if (!tokens_.token().is_word("TABLE")) {
    skip_created();
    return std::nullopt;
  }
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"IF", "NOT", "EXISTS", "ONLY"})) token = &tokens_.next();
  table_ = read_sql_table_name(tokens_, settings_.database);
  columns_.clear();
  if (table_.empty() || tokens_.token().ends_statement()) return std::nullopt;
  if (tokens_.token().is('(')) columns_ = read_sql_columns(tokens_, settings_.utc);
  if (reaches_query()) return misunderstood("CREATE TABLE from a query is not understood");
  raw_end_ = tokens_.token().byte;
  return SqlItem::kTable;
}

/// Behind a table's name or columns: goes to the query that fills it, or to the statement's end.
bool SqlDump::reaches_query() {
  for (; !tokens_.token().ends_statement(); tokens_.next()) {
    if (is_any(tokens_.token(), {"AS", "SELECT"})) return true;
    if (tokens_.token().is('(')) skip_parenthesis(tokens_);
  }
  return false;
}

SqlDump::Step SqlDump::read_insert() {
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "OR", "REPLACE", "ABORT", "FAIL", "ROLLBACK", "INTO"})) {
    token = &tokens_.next();
  }
  table_ = read_sql_table_name(tokens_, settings_.database);
  names_.clear();
  if (tokens_.token().is_word("AS")) {
    tokens_.next();
    tokens_.next();
  }
  if (tokens_.token().is('(')) names_ = read_sql_names(tokens_);
  while (is_any(tokens_.token(), {"OVERRIDING", "SYSTEM", "USER", "VALUE"}) && !tokens_.token().ends_statement()) {
    const bool is_values = tokens_.token().is_word("VALUE");
    if (tokens_.next().is('(') && is_values) {
      state_ = State::kInsertRows;
      return next_insert_row();
    }
  }
  if (!tokens_.token().is_word("VALUES")) return misunderstood("INSERT without VALUES is not understood");
  tokens_.next();
  state_ = State::kInsertRows;
  return next_insert_row();
}

/// The '(' of a row in hand, or what ends the rows.
SqlDump::Step SqlDump::next_insert_row() {
  const SqlToken& token = tokens_.token();
  if (!token.is('(')) return end_of_rows();
  line_ = token.line;
  byte_ = token.byte;
  raw_begin_ = tokens_.text().byte();
  tokens_.text().begin_capture(kBadRowTextBytesMax);
  row_.read_values(tokens_);
  raw_end_ = tokens_.text().byte();
  problem_ = row_.problem();
  if (tokens_.token().is(')')) tokens_.next();
  if (tokens_.token().is(',') && !tokens_.next().is('(')) refuse("rows of INSERT end with a comma: the file is cut off");
  return SqlItem::kRow;
}

SqlDump::Step SqlDump::end_of_rows() {
  state_ = State::kStatements;
  if (tokens_.token().kind == SqlTokenKind::kEnd) refuse("INSERT does not end with a semicolon: the file is cut off");
  const bool harmless = tokens_.token().ends_statement() || tokens_.token().is_word("RETURNING");
  if (!harmless) {
    if (!tokens_.token().is_word("ON") || !tokens_.next().is_word("CONFLICT"))
      return misunderstood("what follows the rows of INSERT is not understood");
    while (!tokens_.token().ends_statement() && !is_any(tokens_.token(), {"NOTHING", "UPDATE"})) tokens_.next();
    if (!tokens_.token().is_word("NOTHING")) return misunderstood("INSERT that updates other rows is not understood");
  }
  skip_statement();
  return std::nullopt;
}

SqlDump::Step SqlDump::read_copy() {
  tokens_.next();
  table_ = read_sql_table_name(tokens_, settings_.database);
  names_.clear();
  if (tokens_.token().is('(')) names_ = read_sql_names(tokens_);
  if (!tokens_.token().is_word("FROM")) {
    skip_statement();  // COPY ... TO
    return std::nullopt;
  }
  if (!tokens_.next().is_word("STDIN")) return misunderstood("COPY from a file is not understood: its rows are not in the dump");
  if (!tokens_.next().ends_statement()) {
    tokens_.text().fail_at(line_, byte_, error_type::kParseError,
                           "COPY with options is not understood; dump it as pg_dump does, in text format");
    return SqlItem::kEnd;
  }
  tokens_.rest_of_line();
  if (tokens_.text().peek() >= 0) tokens_.text().skip(1);
  state_ = State::kCopyRows;
  return next_copy_row();
}

SqlDump::Step SqlDump::next_copy_row() {
  SqlText& text = tokens_.text();
  line_ = text.line();
  byte_ = raw_begin_ = text.byte();
  text.begin_capture(kBadRowTextBytesMax);
  if (!row_.read_copy_line(text)) {
    state_ = State::kStatements;
    return std::nullopt;
  }
  raw_end_ = text.byte();
  problem_ = row_.problem();
  return SqlItem::kRow;
}

/// MySQL's LOAD DATA ... INTO TABLE t; PostgreSQL loads libraries.
SqlDump::Step SqlDump::read_load() {
  while (!tokens_.token().ends_statement() && !tokens_.token().is_word("INTO")) tokens_.next();
  if (tokens_.token().ends_statement() || !tokens_.next().is_word("TABLE")) {
    skip_statement();
    return std::nullopt;
  }
  tokens_.next();
  table_ = read_sql_table_name(tokens_, settings_.database);
  return misunderstood("LOAD DATA is not understood: its rows are not in the dump");
}

SqlDump::Step SqlDump::read_drop() {
  if (tokens_.next().is_word("TEMPORARY")) tokens_.next();
  if (tokens_.token().is_word("TABLE")) return read_change("DROP TABLE behind rows is not understood");
  skip_statement();
  return std::nullopt;
}

SqlDump::Step SqlDump::read_change(std::string reason) {
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"FROM", "TABLE", "ONLY", "INTO", "IGNORE", "LOW_PRIORITY", "QUICK", "IF", "EXISTS"})) token = &tokens_.next();
  changed_ = read_sql_table_names(tokens_, settings_.database);
  next_changed_ = 0;
  skip_statement();
  raw_end_ = tokens_.token().byte;
  problem_ = {std::move(reason), line_, byte_};
  state_ = State::kChanges;
  return next_change();
}

SqlDump::Step SqlDump::next_change() {
  if (next_changed_ == changed_.size()) {
    state_ = State::kStatements;
    return std::nullopt;
  }
  if (next_changed_ > 0) {
    ++statement_;
    statement_end_byte_ = tokens_.text().byte();
  }
  table_ = changed_[next_changed_++];
  return SqlItem::kChange;
}

}  // namespace sluice
