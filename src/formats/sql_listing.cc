#include "formats/sql_listing.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kNamesShownMax = 50;

Error too_large(const SqlDump& dump, const std::string& what) {
  return {ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", dump.line(), what, dump.byte()),
          std::string(error_type::kTooLarge), dump.line(), dump.byte()};
}

/// What belongs to tables that are listed.
bool is_listed(const SqlDump& dump, DumpDialect dialect) { return !dump.table().empty() && !is_table_of_sqlite(dump.table(), dialect); }

class Lister {
 public:
  explicit Lister(SqlDump& dump) : dump_(dump) {}

  /// Takes the first item of a statement, or the end.
  Result<void> take(SqlItem item) {
    end_rows();
    if (item == SqlItem::kEnd || !is_listed(dump_, dump_.dialect())) return {};
    const size_t index = find();
    // What changes rows before there are any says nothing of them.
    if (item == SqlItem::kChange && (index == tables_.size() || !tables_[index].has_rows)) return {};
    if (index == tables_.size()) {
      if (index == kSqlTablesMax) return std::unexpected(too_large(dump_, fmt::format("more than {} tables", kSqlTablesMax)));
      tables_.push_back({.name = dump_.table()});
      indexes_.emplace(key_of(dump_.table()), index);
      settings_.emplace_back();
    }
    if (item == SqlItem::kTable) return define(index);
    tables_[index].has_rows |= item != SqlItem::kChange;
    return begin_rows(index);
  }

  std::vector<SqlTableEntry> take_tables() { return std::move(tables_); }

 private:
  static std::string key_of(const SqlTableName& name) { return fmt::format("{}", fmt::join(name.parts, std::string_view("\0", 1))); }

  size_t find() {
    if (last_ < tables_.size() && tables_[last_].name == dump_.table()) return last_;
    const auto found = indexes_.find(key_of(dump_.table()));
    return found == indexes_.end() ? tables_.size() : found->second;
  }

  SqlPiece piece_here(size_t index) {
    const SqlSettings& now = dump_.settings();
    SqlPiece piece{statements_between(settings_[index], now), dump_.statement_line(), {dump_.statement_byte(), 0}};
    settings_[index] = now;
    return piece;
  }

  Result<void> define(size_t index) {
    SqlTableEntry& table = tables_[index];
    // The last one before rows holds: those before it were dropped, or replaced.
    if (!table.definition.empty() && !table.rows.empty()) return {};
    if (!table.definition.empty()) settings_[index] = {};
    definitions_bytes_ -= std::ssize(table.definition);
    table.definition = dump_.raw();
    definitions_bytes_ += std::ssize(table.definition);
    if (dump_.raw_is_cut()) {
      return std::unexpected(
          too_large(dump_, fmt::format("a CREATE TABLE above the limit of {} MiB begins here", kSqlDefinitionBytesMax / kMiB)));
    }
    if (definitions_bytes_ > kSqlDefinitionsBytesMax) {
      return std::unexpected(too_large(dump_, fmt::format("more than {} MiB of CREATE TABLE", kSqlDefinitionsBytesMax / kMiB)));
    }
    table.definition_piece = piece_here(index);
    return {};
  }

  Result<void> begin_rows(size_t index) {
    const bool goes_on = index == last_ && dump_.statement() == rows_statement_ + 1 && settings_[index] == dump_.settings();
    last_ = index;
    rows_statement_ = dump_.statement();
    in_rows_ = true;
    if (goes_on && !tables_[index].rows.empty()) return {};
    if (++pieces_ > kSqlPiecesMax) {
      return std::unexpected(too_large(dump_, fmt::format("the rows of its tables take turns more than {} times; name one table with "
                                                          "--sql-table, or sort the statements by table",
                                                          kSqlPiecesMax)));
    }
    tables_[index].rows.push_back(piece_here(index));
    return {};
  }

  /// The statement before is over.
  void end_rows() {
    if (!std::exchange(in_rows_, false)) return;
    ByteRange& range = tables_[last_].rows.back().range;
    range.length = dump_.statement_end_byte() - range.offset;
  }

  SqlDump& dump_;
  std::vector<SqlTableEntry> tables_;
  std::vector<SqlSettings> settings_;  // where the last piece of each ended
  std::unordered_map<std::string, size_t> indexes_;
  size_t last_ = 0;  // whose rows came last
  int64_t rows_statement_ = -1;
  bool in_rows_ = false;
  size_t pieces_ = 0;
  int64_t definitions_bytes_ = 0;
};

}  // namespace

Result<SqlListing> list_sql_tables(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context) {
  SqlDump dump(std::move(source), options);
  Lister lister(dump);
  for (int64_t statement = 0;;) {
    TRY_ASSIGN(const SqlItem item, dump.next(context));
    if (item != SqlItem::kEnd && dump.statement() == statement) continue;
    statement = dump.statement();
    TRY(lister.take(item));
    if (item == SqlItem::kEnd) return SqlListing{lister.take_tables(), dump.dialect()};
  }
}

Result<bool> has_sql_table(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context) {
  SqlDump dump(std::move(source), options);
  for (;;) {
    TRY_ASSIGN(const SqlItem item, dump.next(context));
    if (item == SqlItem::kEnd) return false;
    if (item != SqlItem::kChange && is_listed(dump, dump.dialect())) return true;
  }
}

Result<std::optional<std::string>> only_table(const SqlListing& listing) {
  if (listing.tables.empty()) return std::nullopt;
  SqlTableNames names;
  const SqlTableEntry* only = nullptr;
  size_t with_rows = 0;
  for (const SqlTableEntry& table : listing.tables) {
    if (!table.has_rows) continue;
    ++with_rows;
    only = &table;
  }
  for (const SqlTableEntry& table : listing.tables) {
    if (table.has_rows || with_rows == 0) names.add(table.name);
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
