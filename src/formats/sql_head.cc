#include "formats/sql_head.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/byte_source.h"
#include "base/context.h"
#include "formats/sql_extract.h"
#include "formats/sql_table.h"
#include "formats/sql_tokens.h"

namespace sluice {
namespace {

constexpr size_t kWordBytesMax = 10;

/// First words of statements that stand before and between the tables of dumps.
constexpr std::array<std::string_view, 15> kFirstWords = {"ALTER", "BEGIN",  "COMMENT", "COPY", "CREATE", "DROP",   "GRANT", "INSERT",
                                                          "LOCK",  "PRAGMA", "REPLACE", "SET",  "START",  "UNLOCK", "USE"};

/// What programs write before a dump.
constexpr std::array<std::string_view, 7> kPrograms = {
    kSqlExtractMark, "-- PostgreSQL database", "-- MySQL dump", "-- MariaDB dump", "-- phpMyAdmin SQL Dump", "/*!40", "/*M!99"};

std::string_view without_blanks(std::string_view text) { return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())); }

bool is_first_word(std::string_view word) {
  std::string upper(word);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::ranges::find(kFirstWords, upper) != kFirstWords.end();
}

/// `INTO name [(columns)] VALUES (`, with the first word in hand.
bool is_insert(SqlTokens& tokens) {
  while (is_any(tokens.next(), {"IGNORE", "OR", "REPLACE"})) {
  }
  if (!tokens.token().is_word("INTO")) return false;
  tokens.next();
  if (read_sql_table_name(tokens, "").empty()) return false;
  if (tokens.token().is('(')) read_sql_names(tokens);
  return tokens.token().is_word("VALUES") && tokens.next().is('(');
}

bool is_copy(SqlTokens& tokens) {
  tokens.next();
  if (read_sql_table_name(tokens, "").empty()) return false;
  if (tokens.token().is('(')) read_sql_names(tokens);
  return tokens.token().is_word("FROM") && tokens.next().is_word("STDIN");
}

bool is_create_table(SqlTokens& tokens) {
  while (is_any(tokens.next(), {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"})) {
  }
  if (!tokens.token().is_word("TABLE")) return false;
  while (is_any(tokens.next(), {"IF", "NOT", "EXISTS"})) {
  }
  return !read_sql_table_name(tokens, "").empty() && tokens.token().is('(');
}

bool has_rows_or_columns(SqlTokens& tokens) {
  const SqlToken& word = tokens.token();
  if (word.is_word("CREATE")) return is_create_table(tokens);
  if (is_any(word, {"INSERT", "REPLACE"})) return is_insert(tokens);
  return word.is_word("COPY") && is_copy(tokens);
}

}  // namespace

bool may_begin_sql(std::string_view head) {
  head = without_blanks(head);
  if (head.starts_with("--") || head.starts_with("/*") || head.starts_with('\\')) return true;
  const auto end = std::ranges::find_if_not(head.substr(0, kWordBytesMax), [](unsigned char c) { return std::isalpha(c); });
  return is_first_word(head.substr(0, static_cast<size_t>(end - head.begin())));
}

bool looks_like_sql(std::string_view head) {
  if (!may_begin_sql(head)) return false;
  head = without_blanks(head);
  Context context;
  const auto blob = make_memory_blob(std::string(head));
  SqlTokens tokens(*blob->open({}, context), DumpDialect::kAuto, head.size());
  tokens.text().use(context);
  tokens.next();
  const std::string_view comments = head.substr(0, static_cast<size_t>(tokens.token().byte));
  if (std::ranges::any_of(kPrograms, [&](std::string_view program) { return comments.contains(program); })) return true;
  for (; tokens.token().kind != SqlTokenKind::kEnd; tokens.next()) {
    if (tokens.token().kind == SqlTokenKind::kTerminator) continue;
    if (tokens.token().is('\\')) {  // psql's
      tokens.rest_of_line();
      continue;
    }
    if (tokens.token().kind != SqlTokenKind::kWord || !is_first_word(tokens.token().text)) return false;
    if (has_rows_or_columns(tokens)) return true;
    while (!tokens.token().ends_statement()) tokens.next();
  }
  return false;
}

}  // namespace sluice
