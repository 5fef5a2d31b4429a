#include "formats/sql_known_tables.h"

#include <algorithm>
#include <span>

namespace sluice {
namespace {

constexpr int64_t kTableBytes = 160;  ///< held of a table beside the text of its name

/// Whether a table lies in what `wanted` names, by what stands before its own name.
bool lies_in(std::span<const std::string> parts, std::string_view wanted) {
  return parts.size() == 1 || std::ranges::count(parts.first(parts.size() - 1), wanted) > 0;
}

}  // namespace

bool SqlKnownTables::add(const SqlTableName& name, bool has_rows) {
  const auto [table, is_new] = tables_.try_emplace(name.parts, has_rows);
  table->second |= has_rows;
  if (is_new) {
    bytes_ += kTableBytes;
    for (const std::string& part : name.parts) bytes_ += std::ssize(part);
  }
  return bytes_ <= kSqlKnownTablesBytesMax;
}

bool SqlKnownTables::has_rows(const SqlTableName& name) const {
  const auto found = tables_.find(name.parts);
  return found != tables_.end() && found->second;
}

std::vector<SqlTableName> SqlKnownTables::with_rows() const {
  std::vector<SqlTableName> found;
  for (const auto& [parts, has_rows] : tables_) {
    if (has_rows) found.push_back({parts});
  }
  return found;
}

std::vector<SqlTableName> SqlKnownTables::rows_in_schema(std::string_view schema, std::string_view database) const {
  std::vector<SqlTableName> found;
  for (const auto& [parts, has_rows] : tables_) {
    if (!has_rows) continue;
    std::span<const std::string> name = parts;
    if (!database.empty() && name.size() > 1) {
      if (name[0] != database) continue;
      name = name.subspan(1);
    }
    if (lies_in(name, schema)) found.push_back({parts});
  }
  return found;
}

std::vector<SqlTableName> SqlKnownTables::rows_in_database(std::string_view database) const {
  std::vector<SqlTableName> found;
  for (const auto& [parts, has_rows] : tables_) {
    if (has_rows && lies_in(parts, database)) found.push_back({parts});
  }
  return found;
}

}  // namespace sluice
