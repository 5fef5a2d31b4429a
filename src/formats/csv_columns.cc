#include "formats/csv_columns.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

namespace sluice {

std::string csv_column_name(size_t position) { return fmt::format("column_{}", position + 1); }

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

bool CsvNullTokens::find(std::string_view text) const { return std::ranges::find(tokens_, text) != tokens_.end(); }

}  // namespace sluice
