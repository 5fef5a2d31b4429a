#include "formats/sql_columns.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/ascii.h"
#include "formats/csv_columns.h"

namespace sluice {
namespace {

bool same_name(std::string_view a, std::string_view b, DumpDialect dialect) {
  if (a == b || dialect == DumpDialect::kPostgresql) return a == b;
  return std::ranges::equal(a, b, [](char x, char y) { return lower_case(x) == lower_case(y); });
}

}  // namespace

bool SqlColumns::any_generated() const { return std::ranges::any_of(defined_, &SqlColumn::generated); }

SqlColumn SqlColumns::named(const std::string& name, DumpDialect dialect) const {
  const auto found = std::ranges::find_if(defined_, [&](const SqlColumn& column) { return same_name(column.name, name, dialect); });
  return found == defined_.end() ? SqlColumn{.name = name} : *found;
}

std::vector<SqlColumn> SqlColumns::of_rows(const std::vector<std::string>& names, size_t count, DumpDialect dialect) const {
  std::vector<SqlColumn> columns;
  if (!names.empty()) {
    for (const std::string& name : names) columns.push_back(named(name, dialect));
  } else if (!defined_.empty()) {
    // PostgreSQL writes DEFAULT for what it computes, MariaDB its values, the others leave it out.
    for (const SqlColumn& column : defined_) {
      if (!column.generated || count == defined_.size()) columns.push_back(column);
    }
  } else {
    for (size_t i = 0; i < count; ++i) columns.push_back({.name = csv_column_name(i)});
  }
  return columns;
}

SqlGuess::Entry& SqlGuess::entry(const SqlColumn& column) {
  const int known = names_.find(column.name);
  if (known >= 0) return entries_[static_cast<size_t>(known)];
  names_.add(column.name);
  return entries_.emplace_back(Entry{.declared = column.type.type, .guess = ColumnGuess(options_)});
}

void SqlGuess::see_value(const SqlColumn& column, const SqlValue& value) {
  Entry& seen = entry(column);
  if (seen.declared) return;
  seen.bytes |= value.kind == SqlValueKind::kBytes;
  seen.others |= value.kind != SqlValueKind::kBytes && value.kind != SqlValueKind::kNull;
  switch (value.kind) {
    case SqlValueKind::kBool: return seen.guess.see_bool();
    case SqlValueKind::kText: return seen.guess.see_string(value.text);
    case SqlValueKind::kField: return seen.guess.see_text(value.text);
    case SqlValueKind::kNumber:
      if (value.text.find_first_of(".eE") == std::string_view::npos) return seen.guess.see_integer_text(value.text);
      return seen.guess.see_number_text(value.text);
    case SqlValueKind::kNull:
    case SqlValueKind::kDefault:
    case SqlValueKind::kBytes: return;
  }
}

bool SqlGuess::all_declared() const {
  return !entries_.empty() && std::ranges::all_of(entries_, [](const Entry& entry) { return entry.declared != nullptr; });
}

std::vector<Field> SqlGuess::fields() const {
  std::vector<Field> fields;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    TypePtr type = entry.declared ? entry.declared : entry.bytes && !entry.others ? make_type(TypeId::kBinary) : entry.guess.type();
    fields.push_back({.name = names_.name(i), .type = std::move(type)});
  }
  return fields;
}

std::vector<std::string> warnings_about(const std::vector<SqlColumn>& columns, SqlGuess& guess) {
  std::vector<std::string> warnings;
  for (const SqlColumn& column : columns) {
    if (!guess.knows(column)) {
      warnings.push_back(fmt::format("column {} is computed by the database: a dump does not hold its values", column.name));
    } else if (!column.type.known) {
      warnings.push_back(
          fmt::format("column {}: type {} has no counterpart, its values are read as string", column.name, column.declared.text()));
    }
  }
  return warnings;
}

}  // namespace sluice
