#include "formats/sql_table.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kNamePartsMax = 4;
constexpr size_t kDefinitionBytesMax = 16 * kMiB;  ///< names and types of one table
constexpr size_t kTypeBytesMax = 4 * kKiB;         ///< of a declared type as text; of an enum with thousands of members the first ones

/// Begins something else than a column.
bool begins_constraint(const SqlToken& token, DumpDialect dialect) {
  if (is_any(token, {"CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "LIKE"})) return true;
  return dialect == DumpDialect::kMysql && is_any(token, {"KEY", "INDEX", "FULLTEXT", "SPATIAL", "PERIOD"});
}

/// Ends a column's type.
bool begins_attribute(const SqlToken& token, bool first) {
  if (token.is_word("CHARACTER")) return !first;  // CHARACTER SET utf8
  return is_any(
      token, {"NOT",       "NULL",   "DEFAULT",        "PRIMARY",       "UNIQUE",     "CHECK",      "REFERENCES", "CONSTRAINT", "COLLATE",
              "GENERATED", "AS",     "AUTO_INCREMENT", "AUTOINCREMENT", "COMMENT",    "CHARSET",    "ON",         "KEY",        "STORAGE",
              "VIRTUAL",   "STORED", "INVISIBLE",      "SRID",          "COMPRESSED", "DEFERRABLE", "IDENTITY",   "OPTIONS",    "ENCODE",
              "ASC",       "DESC"});
}

/// The arguments of a type, '(' in hand; ')' is in hand at the end.
std::vector<std::string> read_arguments(SqlTokens& tokens) {
  std::vector<std::string> arguments;
  std::string argument;
  size_t bytes = 0;
  for (const SqlToken* token = &tokens.next(); !token->ends_statement() && !token->is(')'); token = &tokens.next()) {
    bytes += token->text.size() + 1;
    if (bytes > kTypeBytesMax) continue;
    if (token->is(',')) {
      arguments.push_back(std::exchange(argument, {}));
    } else if (token->kind == SqlTokenKind::kString) {
      argument += fmt::format("'{}'", token->text);
    } else {
      argument += token->text;
    }
  }
  arguments.push_back(std::move(argument));
  return arguments;
}

/// The first token of the type (or of what follows, where none is declared) in hand; the one behind it at the end.
DeclaredType read_type(SqlTokens& tokens) {
  DeclaredType declared;
  bool joined = true;
  for (;;) {
    const SqlToken& token = tokens.token();
    if (token.is('(')) {
      auto arguments = read_arguments(tokens);
      if (declared.arguments.empty()) declared.arguments = std::move(arguments);
      joined = false;
    } else if (token.is('[') || token.is(']')) {
      declared.is_array = true;
    } else if (token.is('.')) {
      declared.words += '.';
      joined = true;
    } else if (token.kind == SqlTokenKind::kNumber && declared.is_array) {
    } else if (token.is_identifier() && !begins_attribute(token, declared.words.empty()) && declared.words.size() < kTypeBytesMax) {
      if (!joined && !declared.words.empty()) declared.words += ' ';
      declared.words += token.text == "char" && token.kind == SqlTokenKind::kName ? "\"char\"" : lower_case(token.text);
      joined = false;
    } else {
      break;
    }
    tokens.next();
  }
  if (declared.words.ends_with(" array")) {
    declared.words.resize(declared.words.size() - 6);
    declared.is_array = true;
  }
  return declared;
}

/// Counts what a definition holds, and ends a text that holds too much.
class DefinitionSize {
 public:
  explicit DefinitionSize(SqlTokens& tokens) : tokens_(tokens) {}
  void add(size_t bytes) {
    bytes_ += bytes;
    if (++columns_ <= kSqlColumnsMax && bytes_ <= kDefinitionBytesMax) return;
    tokens_.text().fail_at(tokens_.token().line, tokens_.token().byte, error_type::kTooLarge,
                           fmt::format("more than {} columns, or {} MiB of names and types", kSqlColumnsMax, kDefinitionBytesMax / kMiB));
  }

 private:
  SqlTokens& tokens_;
  size_t columns_ = 0, bytes_ = 0;
};

/// Passes over a column's attributes to the ',' or ')' behind it; true: one of them says that the database computes it.
bool read_attributes(SqlTokens& tokens) {
  bool generated = false, behind_as = false;
  for (; !tokens.token().ends_statement() && !tokens.token().is(',') && !tokens.token().is(')'); tokens.next()) {
    if (tokens.token().is('(')) {
      generated |= behind_as;
      skip_parenthesis(tokens);
    }
    behind_as = tokens.token().is_word("AS");
  }
  return generated;
}

}  // namespace

std::string sql_identifier(const SqlToken& token, DumpDialect dialect) {
  const bool folds = token.kind == SqlTokenKind::kWord && dialect == DumpDialect::kPostgresql;
  return folds ? lower_case(token.text) : std::string(token.text);
}

std::string SqlTableName::text() const { return fmt::format("{}", fmt::join(parts, ".")); }

bool SqlTableName::is_called(std::string_view wanted) const {
  std::string name;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    name = name.empty() ? *part : *part + "." + name;
    if (name == wanted) return true;
  }
  return false;
}

bool is_table_of_sqlite(const SqlTableName& name, DumpDialect dialect) {
  return dialect == DumpDialect::kSqlite && !name.empty() && name.parts.back().starts_with("sqlite_");
}

SqlTableName read_sql_table_name(SqlTokens& tokens, const std::string& database) {
  SqlTableName name;
  if (!database.empty()) name.parts.push_back(database);
  while (tokens.token().is_identifier() && name.parts.size() < kNamePartsMax) {
    name.parts.push_back(sql_identifier(tokens.token(), tokens.dialect()));
    if (!tokens.next().is('.')) break;
    tokens.next();
  }
  // MySQL writes the database before the table; USE may have named it, too.
  if (tokens.dialect() == DumpDialect::kMysql && name.parts.size() > 2) name.parts.erase(name.parts.begin());
  return name;
}

std::vector<SqlTableName> read_sql_table_names(SqlTokens& tokens, const std::string& database) {
  std::vector<SqlTableName> names;
  DefinitionSize size(tokens);
  for (;;) {
    names.push_back(read_sql_table_name(tokens, database));
    size.add(names.back().text().size());
    if (!tokens.token().is(',')) break;
    if (tokens.next().is_word("ONLY")) tokens.next();
  }
  std::ranges::sort(names, {}, &SqlTableName::parts);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  return names;
}

std::vector<SqlColumn> read_sql_columns(SqlTokens& tokens, bool utc) {
  std::vector<SqlColumn> columns;
  const DumpDialect dialect = tokens.dialect();
  DefinitionSize size(tokens);
  for (tokens.next(); !tokens.token().ends_statement() && !tokens.token().is(')');) {
    if (tokens.token().is_identifier() && !begins_constraint(tokens.token(), dialect)) {
      SqlColumn column{.name = sql_identifier(tokens.token(), dialect)};
      tokens.next();
      column.declared = read_type(tokens);
      column.type = sql_type_of(column.declared, dialect, utc);
      column.generated = read_attributes(tokens);
      size.add(column.name.size() + column.declared.words.size());
      columns.push_back(std::move(column));
    } else {
      read_attributes(tokens);
    }
    if (tokens.token().is(',')) tokens.next();
  }
  return columns;
}

std::vector<std::string> read_sql_names(SqlTokens& tokens) {
  std::vector<std::string> names;
  DefinitionSize size(tokens);
  for (const SqlToken* token = &tokens.next(); !token->ends_statement() && !token->is(')'); token = &tokens.next()) {
    if (!token->is_identifier()) continue;
    size.add(token->text.size());
    names.push_back(sql_identifier(*token, tokens.dialect()));
  }
  if (tokens.token().is(')')) tokens.next();
  return names;
}

void skip_parenthesis(SqlTokens& tokens) {
  int64_t depth = 1;
  while (depth > 0) {
    const SqlToken& token = tokens.next();
    if (token.ends_statement()) return;
    depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
  }
}

}  // namespace sluice
