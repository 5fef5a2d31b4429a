#include "formats/sql_extract.h"

#include <charconv>

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr std::string_view kOneTable = "one table of a dump, dialect ";
constexpr std::string_view kLine = "line ", kByte = ", byte ";

/// Takes `prefix` from the front; false: something else stands there.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string sql_extract_line(DumpDialect dialect) { return fmt::format("{}{}{}\n", kSqlExtractMark, kOneTable, to_string(dialect)); }

std::optional<DumpDialect> sql_extract_dialect(std::string_view head) {
  if (!take(head, kSqlExtractMark) || !take(head, kOneTable)) return std::nullopt;
  return parse_sql_dialect(head.substr(0, head.find('\n')));
}

std::string sql_place_line(SqlPlace place) { return fmt::format("{}{}{}{}{}\n", kSqlExtractMark, kLine, place.line, kByte, place.byte); }

std::optional<SqlPlace> parse_sql_place(std::string_view line) {
  SqlPlace place;
  const bool parsed = take(line, kSqlExtractMark) && take(line, kLine) && take_number(line, place.line) && take(line, kByte) &&
                      take_number(line, place.byte) && line.empty();
  return parsed ? std::optional(place) : std::nullopt;
}

}  // namespace sluice
