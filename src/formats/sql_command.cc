#include "formats/sql_command.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr std::string_view kBlanks = " \t";

bool abbreviates(std::string_view name, std::string_view command, size_t letters_min) {
  return name.size() >= letters_min && command.starts_with(name);
}

/// SQLite's shell takes commands by their first letters.
bool is_include_of_sqlite(std::string_view name) {
  return abbreviates(name, "import", 1) || abbreviates(name, "read", 3) || abbreviates(name, "restore", 3);
}

/// `\. file` is MySQL's; alone it ends COPY's rows.
bool is_include_of_psql(std::string_view name, std::string_view rest) {
  if (name == ".") return !rest.empty();
  return name == "i" || name == "ir" || name == "include" || name == "include_relative";
}

/// `\connect [-reuse-previous=on] database`; `-` is the one in use.
std::string_view connected_database(std::string_view rest) {
  if (rest == "-" || rest.starts_with("- ")) return {};
  if (rest.starts_with('-')) rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  if (const size_t at = rest.find("dbname="); at != std::string_view::npos) rest.remove_prefix(at + 7);
  return sql_word_behind(rest, "");
}

}  // namespace

std::string_view sql_word_behind(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t='\""), text.size()));
  return text.substr(0, text.find_first_of(" ,'\"\n"));
}

bool begins_sql_command(SqlTokens& tokens) {
  const SqlToken& token = tokens.token();
  if (token.is_word("SOURCE")) return kBlanks.contains(static_cast<char>(tokens.text().peek()));
  return token.is('\\') || (token.is('.') && token.begins_line) || token.is_word("DELIMITER");
}

SqlCommand read_sql_command(SqlTokens& tokens) {
  const SqlToken& token = tokens.token();
  const bool is_psql = token.is('\\'), is_sqlite = token.is('.');
  const std::string line = tokens.rest_of_line();
  if (token.is_word("DELIMITER")) return {SqlCommandKind::kDelimiter, std::string(sql_word_behind(line, ""))};
  if (token.is_word("SOURCE")) return {SqlCommandKind::kInclude, "source"};
  const std::string_view name = std::string_view(line).substr(0, line.find_first_of(kBlanks));
  std::string_view rest = std::string_view(line).substr(name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  if (is_sqlite ? is_include_of_sqlite(name) : is_include_of_psql(name, rest)) {
    return {SqlCommandKind::kInclude, fmt::format("{}{}", is_psql ? '\\' : '.', name)};
  }
  if (!is_psql) return {};
  if (name == "connect" || name == "c") return {SqlCommandKind::kConnect, std::string(connected_database(rest))};
  if (name == "copy") return {SqlCommandKind::kCopy, std::string(rest), line.size() == SqlTokens::kLineBytesMax};
  return {};
}

}  // namespace sluice
