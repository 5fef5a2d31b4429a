#include "formats/sql_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "formats/decompress.h"
#include "formats/sql_columns.h"
#include "formats/sql_listing.h"
#include "formats/sql_reader.h"

namespace sluice {
namespace {

/// How statements of dumps begin; each word alone is common in prose and headers. A third of "" may be anything.
struct Beginning {
  std::string_view first, second, third;
};
constexpr std::array<Beginning, 17> kBeginnings = {{{"CREATE", "TABLE", ""},
                                                    {"CREATE", "DATABASE", ""},
                                                    {"CREATE", "SCHEMA", ""},
                                                    {"CREATE", "TEMPORARY", "TABLE"},
                                                    {"CREATE", "UNLOGGED", "TABLE"},
                                                    {"CREATE", "TYPE", ""},
                                                    {"INSERT", "INTO", ""},
                                                    {"INSERT", "IGNORE", "INTO"},
                                                    {"REPLACE", "INTO", ""},
                                                    {"DROP", "TABLE", ""},
                                                    {"DROP", "DATABASE", ""},
                                                    {"ALTER", "TABLE", ""},
                                                    {"BEGIN", "TRANSACTION", ";"},
                                                    {"LOCK", "TABLES", ""},
                                                    {"SET", "", "="},
                                                    {"SET", "NAMES", ""},
                                                    {"PRAGMA", "", "="}}};

bool is_part(const std::string& found, std::string_view wanted) { return wanted.empty() ? !found.empty() : found == wanted; }

Result<std::unique_ptr<ByteSource>> open_all(Blob& blob, Context& context) { return open_decompressed(blob, {}, context); }

/// The table to read; nullopt: the statements.
Result<std::optional<std::string>> choose_table(Blob& blob, const SqlOptions& options, Context& context) {
  if (!options.table.empty()) return options.table;
  TRY_ASSIGN(auto source, open_all(blob, context));
  TRY_ASSIGN(const SqlListing listing, list_sql_tables(std::move(source), options, context));
  return only_table(listing);
}

Inferred statement_columns() {
  Inferred inferred;
  inferred.fields = {{.name = std::string(kSqlStatementNumber), .type = make_type(TypeId::kLong)},
                     {.name = std::string(kSqlStatement), .type = make_type(TypeId::kString)}};
  inferred.header = {std::string(kSqlStatementNumber), std::string(kSqlStatement)};
  return inferred;
}

/// The types of a row's values, into the guess.
void see_row(const SqlDump& dump, const std::vector<SqlColumn>& columns, SqlGuess& guess) {
  const auto values = dump.values();
  if (!dump.problem().reason.empty() || values.size() != columns.size()) return;
  for (size_t i = 0; i < values.size(); ++i) {
    guess.see_column(columns[i]);
    guess.see_value(columns[i], values[i]);
  }
}

Result<Inferred> infer_table(SqlDump dump, const std::string& table, int64_t sample_bytes, const InferOptions& options, Context& context) {
  WantedTable wanted(table);
  SqlColumns columns;
  SqlGuess guess(options);
  Inferred inferred;
  int64_t first_row_byte = -1;
  for (;;) {
    TRY_ASSIGN(const SqlItem item, dump.next(context));
    if (item == SqlItem::kEnd) {
      TRY(wanted.check_found());
      break;
    }
    TRY_ASSIGN(const bool is_ours, wanted.has(dump));
    if (!is_ours) continue;
    if (item == SqlItem::kTable) {
      columns.define(dump.columns());
      for (const SqlColumn& column : columns.defined()) {
        if (!column.generated) guess.see_column(column);
      }
      if (guess.all_declared()) break;
    } else if (item == SqlItem::kRow) {
      ++inferred.rows;
      see_row(dump, columns.of_rows(dump.names(), dump.values().size(), dump.dialect()), guess);
      if (first_row_byte < 0) first_row_byte = dump.byte();
      if (dump.byte() - first_row_byte > sample_bytes) break;
    }
  }
  inferred.fields = guess.fields();
  for (const Field& field : inferred.fields) inferred.header.push_back(field.name);
  inferred.warnings = warnings_about(columns.defined());
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
};

}  // namespace

const Format& sql_format() {
  static const SqlFormat format;
  return format;
}

bool looks_like_sql(std::string_view head) {
  for (const std::string_view tool : {"-- PostgreSQL database", "-- MySQL dump", "-- MariaDB dump", "/*!40101 SET", "/*M!9"}) {
    if (head.find(tool) != std::string_view::npos) return true;
  }
  Context context;
  const auto blob = make_memory_blob(std::string(head));
  SqlTokens tokens(*blob->open({}, context), DumpDialect::kPostgresql, kMiB);
  tokens.text().use(context);
  std::array<std::string, 3> words;
  for (std::string& word : words) {
    word = tokens.next().text;
    std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  if (words[0] == "COPY") return head.find(" FROM stdin;") != std::string_view::npos;
  return std::ranges::any_of(kBeginnings, [&](const Beginning& beginning) {
    return words[0] == beginning.first && is_part(words[1], beginning.second) && is_part(words[2], beginning.third);
  });
}

}  // namespace sluice
