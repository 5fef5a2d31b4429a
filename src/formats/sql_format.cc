#include "formats/sql_format.h"

#include <utility>

#include <fmt/format.h>

#include "formats/decompress.h"
#include "formats/sql_columns.h"
#include "formats/sql_extract.h"
#include "formats/sql_listing.h"
#include "formats/sql_reader.h"

namespace sluice {
namespace {

constexpr size_t kDialectHeadBytes = 64 * kKiB;  ///< looked at for what wrote the dump

Result<std::unique_ptr<ByteSource>> open_all(Blob& blob, Context& context) { return open_decompressed(blob, {}, context); }

Result<std::string> read_dump_head(Blob& blob, Context& context) {
  TRY_ASSIGN(auto source, open_all(blob, context));
  std::string head(kDialectHeadBytes, '\0');
  TRY_ASSIGN(const size_t size, source->read(head, context));
  head.resize(size);
  return head;
}

/// The table to read, "" for the only one of an extract; nullopt: the statements.
Result<std::optional<std::string>> choose_table(Blob& blob, const SqlOptions& options, Context& context) {
  if (!options.table.empty() && options.table != kEverySqlTable) return options.table;
  TRY_ASSIGN(const std::string head, read_dump_head(blob, context));
  if (sql_extract_dialect(head)) return std::string();
  TRY_ASSIGN(auto source, open_all(blob, context));
  TRY_ASSIGN(const SqlListing listing, list_sql_tables(std::move(source), options, context));
  return only_table(listing);
}

Inferred statement_columns() {
  Inferred inferred;
  inferred.fields = {{.name = std::string(kSqlLineNumber), .type = make_type(TypeId::kLong)},
                     {.name = std::string(kSqlValue), .type = make_type(TypeId::kString)}};
  inferred.header = {std::string(kSqlLineNumber), std::string(kSqlValue)};
  return inferred;
}

/// The types of a row's values, into the guess.
void see_row(const SqlDump& dump, const std::vector<SqlColumn>& columns, SqlGuess& guess) {
  const auto values = dump.values();
  if (!dump.problem().reason.empty() || values.size() != columns.size()) return;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool has_none = values[i].kind == SqlValueKind::kDefault || values[i].kind == SqlValueKind::kNull;
    if (columns[i].generated && has_none) continue;
    guess.see_column(columns[i]);
    guess.see_value(columns[i], values[i]);
  }
}

Result<Inferred> infer_table(SqlDump dump, const std::string& table, int64_t sample_bytes, const InferOptions& options, Context& context) {
  WantedTable wanted(table);
  SqlColumns columns;
  SqlGuess guess(options);
  Inferred inferred;
  int64_t first_row_byte = -1, defined_byte = 0;
  // Whether a table holds what the database computes, only its rows say.
  const auto is_defined = [&] { return guess.all_declared() && !columns.any_generated(); };
  for (;;) {
    TRY_ASSIGN(const SqlItem item, dump.next(context));
    // It may be created anew before its rows.
    if (is_defined() && dump.byte() - defined_byte > sample_bytes) break;
    if (item == SqlItem::kEnd) {
      TRY(wanted.check_found());
      break;
    }
    TRY_ASSIGN(const bool is_ours, wanted.has(dump, item));
    if (!is_ours) continue;
    if (item == SqlItem::kTable) {
      columns.define(dump.columns());
      if (inferred.rows == 0) guess = SqlGuess(options);
      defined_byte = dump.byte();
      for (const SqlColumn& column : columns.defined()) {
        if (!column.generated) guess.see_column(column);
      }
    } else if (is_defined() && item != SqlItem::kChange) {
      break;
    } else if (item == SqlItem::kRow) {
      ++inferred.rows;
      see_row(dump, columns.of_rows(dump.names(), dump.values().size(), dump.dialect()), guess);
      if (first_row_byte < 0) first_row_byte = dump.byte();
      if (guess.all_declared() || dump.byte() - first_row_byte > sample_bytes) break;
    }
  }
  inferred.fields = guess.fields();
  for (const Field& field : inferred.fields) inferred.header.push_back(field.name);
  inferred.warnings = warnings_about(columns.defined(), guess);
  return inferred;
}

class SqlFormat final : public Format {
 public:
  std::string_view name() const override { return "sql"; }

  Result<std::vector<ByteRange>> split(Blob&, const ReadPlan&, Context&) const override { return std::vector<ByteRange>{{}}; }

  Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange, const ReadPlan& plan, Context& context) const override {
    TRY_ASSIGN(auto table, choose_table(blob, plan.sql, context));
    TRY_ASSIGN(auto source, open_all(blob, context));
    if (!table) return std::make_unique<SqlStatementReader>(std::move(source), plan);
    return std::make_unique<SqlReader>(std::move(source), *std::move(table), plan);
  }

  Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source& source, const InferOptions& options,
                         Context& context) const override {
    TRY_ASSIGN(const auto table, choose_table(blob, source.sql, context));
    if (!table) return statement_columns();
    TRY_ASSIGN(auto bytes, open_all(blob, context));
    return infer_table(SqlDump(std::move(bytes), source.sql), *table, sample_bytes, options, context);
  }

  Result<std::string> describe(Blob& blob, const Source& source, Context& context) const override {
    TRY_ASSIGN(const std::string head, read_dump_head(blob, context));
    const DumpDialect dialect = source.sql.dialect == DumpDialect::kAuto ? guess_sql_dialect(head) : source.sql.dialect;
    return dialect == DumpDialect::kAuto ? std::string() : fmt::format("dialect {}", to_string(dialect));
  }
};

}  // namespace

const Format& sql_format() {
  static const SqlFormat format;
  return format;
}

}  // namespace sluice
