#include "formats/csv_columns.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/ascii.h"
#include "schema/scalar_text.h"

namespace sluice {

std::string csv_column_name(size_t position) { return fmt::format("column_{}", position + 1); }

std::vector<int> csv_targets_by_position(size_t field_count, std::span<const Field> table) {
  std::unordered_map<std::string_view, int> positions;
  for (size_t i = 0; i < table.size(); ++i) positions.emplace(table[i].name, static_cast<int>(i));
  std::vector<int> by_name(field_count, -1), in_order(field_count, -1);
  bool has_names = false;
  for (size_t i = 0; i < field_count; ++i) {
    if (i < table.size()) in_order[i] = static_cast<int>(i);
    if (const auto at = positions.find(csv_column_name(i)); at != positions.end()) by_name[i] = at->second, has_names = true;
  }
  return has_names ? by_name : in_order;
}

std::vector<std::string> csv_column_names(std::span<const std::string> header) {
  // Written names come first: in `a,a,a_2` the second column must not take the name of the third.
  std::unordered_set<std::string> taken(header.begin(), header.end()), given;
  std::vector<std::string> names;
  for (size_t i = 0; i < header.size(); ++i) {
    const std::string base = header[i].empty() ? csv_column_name(i) : header[i];
    std::string name = base;
    const bool renamed = header[i].empty() ? taken.contains(name) : given.contains(name);
    for (int n = 2; renamed && taken.contains(name); ++n) name = fmt::format("{}_{}", base, n);
    taken.insert(name);
    given.insert(name);
    names.push_back(std::move(name));
  }
  return names;
}

CsvNullTokens::CsvNullTokens(std::span<const std::string> tokens) : tokens_(tokens.begin(), tokens.end()) {
  for (const std::string& token : tokens_) {
    size_max_ = std::max(size_max_, token.size());
    empty_is_null_ |= token.empty();
  }
}

std::optional<std::string_view> with_decimal_point(std::string_view text, std::string& scratch) {
  size_t at = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const size_t whole = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at == text.size() || (text[at] != ',' && text[at] != '.')) return text;
  const size_t mark = at++;
  const size_t fraction = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (mark == whole && at == fraction) return text;  // no digit at all
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    at += at + 1 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+') ? 2 : 1;
    while (at < text.size() && is_digit(text[at])) ++at;
  }
  if (at < text.size()) return text;
  if (text[mark] == '.') return std::nullopt;
  scratch = text;
  scratch[mark] = '.';
  return scratch;
}

bool looks_typed(std::string_view text, char decimal) {
  if (text.empty()) return false;
  if (classify_time(text) != TimeText::kNone || read_time(text)) return true;
  if (text.find_first_of("0123456789") == std::string_view::npos) return false;  // "inf" and "nan" may be names
  std::string scratch;
  if (decimal == ',') text = with_decimal_point(text, scratch).value_or(text);
  return read_decimal(text, 38, 38).has_value() || read_double(text).has_value();
}

bool CsvNullTokens::find(std::string_view text) const { return std::ranges::find(tokens_, text) != tokens_.end(); }

}  // namespace sluice
