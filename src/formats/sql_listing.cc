#include "formats/sql_listing.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kNamesShownMax = 50;

class ListedTables {
 public:
  /// nullptr: too many.
  SqlTableEntry* entry(const SqlTableName& name) {
    if (last_ < tables.size() && tables[last_].name == name) return &tables[last_];
    const auto found = std::ranges::find(tables, name, &SqlTableEntry::name);
    last_ = static_cast<size_t>(found - tables.begin());
    if (found != tables.end()) return &*found;
    if (tables.size() == kSqlTablesMax) return nullptr;
    return &tables.emplace_back(SqlTableEntry{.name = name});
  }

  std::vector<SqlTableEntry> tables;

 private:
  size_t last_ = 0;
};

bool is_internal(const SqlTableName& name, DumpDialect dialect) {
  return dialect == DumpDialect::kSqlite && name.parts.back().starts_with("sqlite_");
}

}  // namespace

Result<SqlListing> list_sql_tables(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context) {
  SqlDump dump(std::move(source), options);
  ListedTables listed;
  std::optional<SqlTableName> open;  // whose data the statement before was
  int64_t statement = 0;
  for (;;) {
    TRY_ASSIGN(const SqlItem item, dump.next(context));
    const bool more_rows = item == SqlItem::kRow && dump.statement() == statement;
    if (more_rows) continue;
    const int64_t begin = item == SqlItem::kEnd ? dump.end_byte() : dump.statement_byte();
    if (open) {
      ByteRange& data = listed.entry(*open)->data;
      data.length = begin - data.offset;
      open.reset();
    }
    if (item == SqlItem::kEnd) return SqlListing{std::move(listed.tables), dump.dialect()};
    statement = dump.statement();
    if (item == SqlItem::kChange || dump.table().empty() || is_internal(dump.table(), dump.dialect())) continue;
    SqlTableEntry* entry = listed.entry(dump.table());
    if (entry == nullptr) {
      const std::string reason = fmt::format("line {}: more than {} tables (byte {})", dump.line(), kSqlTablesMax, dump.byte());
      return std::unexpected(Error{ErrorCode::kInvalidInput, reason, std::string(error_type::kTooLarge), dump.line(), dump.byte()});
    }
    if (item == SqlItem::kTable) {
      if (entry->definition.length == 0) entry->definition = {begin, dump.end_byte() - begin};
    } else {
      if (!entry->has_rows()) entry->data = {begin, 1};
      open = dump.table();
    }
  }
}

Result<std::optional<std::string>> only_table(const SqlListing& listing) {
  if (listing.tables.empty()) return std::nullopt;
  SqlTableNames names;
  const SqlTableEntry* only = nullptr;
  size_t with_rows = 0;
  for (const SqlTableEntry& table : listing.tables) {
    if (!table.has_rows()) continue;
    ++with_rows;
    only = &table;
  }
  for (const SqlTableEntry& table : listing.tables) {
    if (table.has_rows() || with_rows == 0) names.add(table.name);
  }
  if (with_rows == 0 && listing.tables.size() == 1) only = &listing.tables.front();
  if (with_rows == 1 || (with_rows == 0 && only)) return only->name.text();
  return std::unexpected(Error{ErrorCode::kInvalidInput,
                               fmt::format("the dump has several tables; say which one to load with --sql-table: {}", names.text()),
                               std::string(error_type::kParseError)});
}

void SqlTableNames::add(const SqlTableName& name) {
  if (std::ranges::find(names_, name) != names_.end()) return;
  if (names_.size() < kNamesShownMax) {
    names_.push_back(name);
  } else {
    more_ = true;
  }
}

std::string SqlTableNames::text() const {
  std::vector<std::string> texts;
  for (const SqlTableName& name : names_) texts.push_back(name.text());
  std::string text = fmt::format("{}", fmt::join(texts, ", "));
  return more_ ? text + ", ..." : text;
}

}  // namespace sluice
