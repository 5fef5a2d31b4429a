// Any bytes as a SQL dump: no crash, the same tables, rows, places and problems whatever the block size, pieces that lie in the dump and
// do not overlap, and valid rows. The first byte chooses the dialect, whether statements are kept, and the block size.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include "formats/sql_extract.h"
#include "formats/sql_format.h"
#include "formats/sql_head.h"
#include "formats/sql_listing.h"

namespace sluice {
namespace {

constexpr DumpDialect kDialects[] = {DumpDialect::kAuto, DumpDialect::kPostgresql, DumpDialect::kMysql, DumpDialect::kSqlite};

std::string text_of(SqlDump& dump, SqlItem item) {
  std::string out = fmt::format("{}:{}@{}+{}#{} ", static_cast<int>(item), dump.line(), dump.byte(), dump.end_byte(), dump.statement());
  if (item == SqlItem::kEnd) return out;
  if (item != SqlItem::kStatement) out += dump.table().text();
  if (item == SqlItem::kTable) {
    for (const SqlColumn& column : dump.columns()) {
      out += fmt::format(" {} {} {}", column.name, column.declared.text(), column.type.type ? to_text(*column.type.type) : "");
    }
  }
  if (item == SqlItem::kRow) {
    for (const std::string& name : dump.names()) out += " " + name;
    for (const SqlValue& value : dump.values()) out += fmt::format(" {}:{}", static_cast<int>(value.kind), value.text);
  }
  return out + dump.problem().reason + "\n" + dump.raw() + "\n";
}

std::string scan(const std::string& file, const SqlOptions& options, bool keep_statements, size_t block_bytes) {
  Context context;
  SqlDump dump(*make_memory_blob(file)->open({}, context), options, keep_statements, block_bytes);
  std::string out;
  for (;;) {
    const auto item = dump.next(context);
    if (!item) return out + item.error().message;
    out += text_of(dump, *item);
    if (*item == SqlItem::kEnd) return out;
  }
}

void check_pieces(const std::string& file, const SqlOptions& options) {
  Context context;
  const auto listing = list_sql_tables(*make_memory_blob(file)->open({}, context), options, context);
  if (!listing || sql_extract_dialect(file)) return;  // places of an extract are those of its dump
  for (const SqlTableEntry& table : listing->tables) {
    int64_t end = 0;
    for (const SqlPiece& piece : table.rows) {
      if (piece.range.offset < end || piece.range.length <= 0) std::abort();
      end = piece.range.offset + piece.range.length;
    }
    if (end > std::ssize(file)) std::abort();
  }
}

void read_rows(const std::string& file, const SqlOptions& options) {
  Context context;
  const auto blob = make_memory_blob(file);
  Source source;
  source.sql = options;
  const auto inferred = sql_format().infer(*blob, 1000, source, {}, context);
  ReadPlan plan{.report_drift = true};
  plan.bad_rows.action = BadRowAction::kSkip;
  plan.sql = options;
  if (inferred) {
    for (const Field& field : inferred->fields) {
      if (field.type && plan.columns.fields.size() < 100) plan.columns.fields.push_back(field);
    }
    assign_field_ids(plan.columns.fields, 0);
  }
  const auto reader = sql_format().open(*blob, {}, plan, context);
  while (reader) {
    const auto block = (*reader)->next(context);
    if (!block || !*block) break;
    if (!(*block)->batch->ValidateFull().ok()) std::abort();
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size < 1) return 0;
  SqlOptions options{.dialect = kDialects[data[0] % 4]};
  const bool keep_statements = data[0] & 4;
  const size_t block_bytes = 64 + data[0] / 8;
  const std::string file(reinterpret_cast<const char*>(data + 1), size - 1);
  if (scan(file, options, keep_statements, block_bytes) != scan(file, options, keep_statements, 1 << 16)) std::abort();
  (void)looks_like_sql(file);
  check_pieces(file, options);
  read_rows(file, options);
  options.table = "t";
  read_rows(file, options);
  return 0;
}
