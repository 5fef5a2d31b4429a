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
      case State::kEffects: step = next_effect(); break;
      case State::kStatements: step = next_statement(); break;
    }
    if (!step) continue;
    has_given_ = true;
    remember(*step);
    return *step;
  }
}

void SqlDump::remember(SqlItem item) {
  const bool has_rows = item == SqlItem::kRow || item == SqlItem::kProblem;
  if ((!has_rows && item != SqlItem::kTable) || remembered_ == statement_) return;
  remembered_ = statement_;
  if (table_.empty() || is_table_of_sqlite(table_, tokens_.dialect()) || tables_.add(table_, has_rows)) return;
  tokens_.text().fail_at(line_, byte_, error_type::kTooLarge,
                         fmt::format("more than {} MiB of names of tables", kSqlKnownTablesBytesMax / kMiB));
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
  if (begins_sql_command(tokens_)) return read_command();
  begin_statement();
  return keep_statements_ ? keep_statement() : read_statement();
}

/// With its first token in hand.
void SqlDump::begin_statement() {
  ++statement_;
  line_ = statement_line_ = tokens_.token().line;
  byte_ = raw_begin_ = statement_byte_ = tokens_.token().byte;
  problem_ = {};
}

SqlDump::Step SqlDump::read_statement() {
  const SqlToken& token = tokens_.token();
  if (token.is_word("CREATE")) return read_create();
  if (is_any(token, {"INSERT", "REPLACE"})) return read_insert();
  if (token.is_word("COPY")) return read_copy();
  if (token.is_word("SET")) {
    read_set();
  } else if (token.is_word("USE")) {
    read_use();
  } else {
    return read_effects();
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
  set("NAMES", sql_word_behind(executed, "SET NAMES"));
  set("TIME_ZONE", sql_word_behind(executed, "SET TIME_ZONE"));
  set("SQL_MODE", sql_word_behind(executed, "SQL_MODE="));
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

/// A line for the client; nothing behind it is read.
SqlDump::Step SqlDump::read_command() {
  SqlCommand command = read_sql_command(tokens_);
  switch (command.kind) {
    case SqlCommandKind::kConnect:
      if (!command.argument.empty()) settings_.database = std::move(command.argument);
      break;
    case SqlCommandKind::kDelimiter:
      settings_.delimiter = command.argument.empty() ? ";" : command.argument.substr(0, SqlText::kAheadMax);
      tokens_.set_delimiter(settings_.delimiter);
      break;
    case SqlCommandKind::kInclude:
      if (keep_statements_) break;
      refuse(
          fmt::format("\"{}\" brings what another file holds, which is not in the dump: put that file's text in place of the line, or "
                      "remove the line and load the file by itself",
                      command.argument));
      break;
    case SqlCommandKind::kCopy:
      if (!keep_statements_) return read_copy_command(command);
      break;
    case SqlCommandKind::kOther: break;
  }
  return std::nullopt;
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

/// Up to the word of CREATE that says what it creates. True: it replaces what is called so.
bool SqlDump::pass_create_options() {
  bool replaces = false;
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "CONSTRAINT", "AGGREGATE", "DEFINER"})) {
    const bool is_definer = token->is_word("DEFINER");
    replaces |= token->is_word("REPLACE");
    token = &tokens_.next();
    if (!is_definer) continue;
    // DEFINER = user@host: up to the first word that is no part of it.
    for (bool is_part = true; !token->ends_statement() && (is_part || token->kind != SqlTokenKind::kWord); token = &tokens_.next())
      is_part = token->is('=') || token->is('@') || token->is('.');
  }
  return replaces;
}

SqlDump::Step SqlDump::misunderstood(std::string reason) {
  problem_ = {std::move(reason), tokens_.token().line, tokens_.token().byte};
  skip_statement();
  raw_end_ = tokens_.token().byte;
  return SqlItem::kProblem;
}

SqlDump::Step SqlDump::read_create() {
  const bool replaces = pass_create_options();
  if (!tokens_.token().is_word("TABLE")) {
    skip_created();
    return std::nullopt;
  }
  const SqlToken* token = &tokens_.next();
  while (is_any(*token, {"IF", "NOT", "EXISTS", "ONLY"})) token = &tokens_.next();
  table_ = read_sql_table_name(tokens_, settings_.database);
  columns_.clear();
  if (table_.empty() || tokens_.token().ends_statement()) return std::nullopt;
  if (replaces && tables_.has_rows(table_)) return misunderstood("CREATE OR REPLACE TABLE behind rows is not understood");
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
  SqlTarget target = read_sql_insert(tokens_, settings_.database);
  table_ = std::move(target.table);
  names_ = std::move(target.names);
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
  SqlCopy copy = read_sql_copy(tokens_, settings_.database);
  skip_statement();
  raw_end_ = tokens_.token().byte;
  return take_copy(std::move(copy), "COPY from a file is not understood: its rows are not in the dump");
}

/// psql's \copy: a COPY whose statement ends with the line.
SqlDump::Step SqlDump::read_copy_command(const SqlCommand& command) {
  begin_statement();
  raw_end_ = tokens_.text().byte();
  Context context;
  SqlTokens tokens(*make_memory_blob(command.argument)->open({}, context), tokens_.dialect(), command.argument.size());
  tokens.text().use(context);
  tokens.next();
  SqlCopy copy = read_sql_copy(tokens, settings_.database);
  if (command.is_cut) {
    tokens_.text().fail_at(line_, byte_, error_type::kTooLarge,
                           fmt::format("a \\copy above the limit of {} MiB begins here", SqlTokens::kLineBytesMax / kMiB));
  } else if (tokens.text().failure() && copy.from != SqlCopyFrom::kElsewhere) {
    refuse("the quote that opens in the line of \\copy is not closed there");
  }
  return take_copy(std::move(copy), "\\copy from a file is not understood: its rows are not in the dump");
}

/// With all of the statement read; its rows begin with the next line.
SqlDump::Step SqlDump::take_copy(SqlCopy copy, std::string problem) {
  table_ = std::move(copy.target.table);
  names_ = std::move(copy.target.names);
  switch (copy.from) {
    case SqlCopyFrom::kNowhere: return std::nullopt;
    case SqlCopyFrom::kElsewhere: problem_ = {std::move(problem), line_, byte_}; return SqlItem::kProblem;
    case SqlCopyFrom::kHereInOtherFormat:
      tokens_.text().fail_at(line_, byte_, error_type::kParseError,
                             "COPY with options is not understood; dump it as pg_dump does, in text format");
      return SqlItem::kEnd;
    case SqlCopyFrom::kHere: break;
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

SqlDump::Step SqlDump::read_effects() {
  effects_ = read_sql_effects(tokens_, settings_.database, tables_);
  next_effect_ = 0;
  skip_statement();
  raw_end_ = tokens_.token().byte;
  state_ = State::kEffects;
  return next_effect();
}

SqlDump::Step SqlDump::next_effect() {
  if (next_effect_ == effects_.size()) {
    state_ = State::kStatements;
    return std::nullopt;
  }
  if (next_effect_ > 0) {
    ++statement_;
    statement_end_byte_ = tokens_.text().byte();
  }
  SqlEffect& effect = effects_[next_effect_++];
  table_ = std::move(effect.table);
  problem_ = {std::move(effect.reason), line_, byte_};
  return effect.gives_rows ? SqlItem::kProblem : SqlItem::kChange;
}

}  // namespace sluice
