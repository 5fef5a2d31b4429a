#include "config/load_options.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/column_yaml.h"
#include "config/dispositions.h"
#include "config/fields.h"
#include "config/object_target.h"
#include "config/validate.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

/// Reads a flag that was given, into `into`, and names it in the error.
template <class T, class Read, class Into>
Result<void> apply(const char* flag, const std::optional<T>& given, Read read, Into& into) {
  if (!given) return {};
  auto value = read(*given);
  if (!value) return std::unexpected(value.error().within(flag));
  into = *std::move(value);
  return {};
}

Result<std::vector<std::string>> read_columns(std::string_view text) {
  std::vector<std::string> columns;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    TRY_ASSIGN(std::string column, read_metadata_column(text.substr(begin, end - begin)));
    columns.push_back(std::move(column));
    begin = end + 1;
  }
  return columns;
}

/// How CSV and plain text are read.
Result<void> apply_text(const LoadOptions& options, Source& source) {
  CsvOptions& csv = source.csv;
  TRY(apply("--delimiter", options.delimiter, parse_character, csv.delimiter));
  TRY(apply("--quote", options.quote, parse_character_or_none, csv.quote));
  TRY(apply("--escape", options.escape, parse_character_or_none, csv.escape));
  TRY(apply("--encoding", options.encoding, read_encoding, csv.encoding));
  TRY(apply("--decimal", options.decimal, read_decimal_mark, csv.decimal));
  TRY(apply("--comment", options.comment, parse_character_or_none, csv.comment));
  TRY(apply("--skip", options.skip, parse_count, csv.skip));
  csv.header = options.header;
  if (!options.null_tokens.empty()) csv.null_tokens = options.null_tokens;
  source.text = {.pattern = options.pattern, .encoding = csv.encoding};
  return {};
}

Result<void> apply_source(const LoadOptions& options, Source& source) {
  source.id = SourceId(kOnlySourceId);
  for (const std::string& path : options.paths) {
    TRY_ASSIGN(std::string uri, absolute_uri(path));
    source.paths.push_back(std::move(uri));
  }
  if (!options.s3_endpoint.empty()) source.store["s3.endpoint"] = options.s3_endpoint;
  TRY(apply("--format", std::optional(options.format), read_format, source.format));
  source.sql.table = options.sql_table;
  TRY(apply("--sql-dialect", options.sql_dialect, read_sql_dialect, source.sql.dialect));
  return apply_text(options, source);
}

Result<void> apply_rows(const LoadOptions& options, Ingestion& ingestion) {
  TRY(apply("--schema-mode", options.schema_mode, read_schema_mode, ingestion.schema.mode));
  if (!options.contract.empty()) {
    TRY_ASSIGN(const std::string contract, absolute_uri(options.contract));
    TRY_ASSIGN(ingestion.schema.contract, local_path(contract));
  }
  ingestion.schema.strict_mode = options.strict_mode;
  ingestion.schema.hive_partitioning = options.hive_partitioning;
  for (const std::string& column : options.columns) {
    const Result<void> read = read_column_text(column, ingestion.schema.columns);
    if (!read) return std::unexpected(read.error().within("--column"));
  }
  TRY(apply("--on-change", options.on_change, read_on_change, ingestion.on_change));
  TRY(apply("--on-bad-row", options.on_bad_row, read_bad_row_action, ingestion.on_bad_row.action));
  if (options.bad_rows_max) {
    const Result<void> read = parse_bad_rows_max(*options.bad_rows_max, ingestion.on_bad_row);
    if (!read) return std::unexpected(read.error().within("--bad-rows-max"));
  }
  return apply("--metadata-columns", options.metadata_columns, read_columns, ingestion.metadata_columns);
}

Result<void> apply_readiness(const LoadOptions& options, Ingestion& ingestion) {
  Ready& ready = ingestion.ready;
  TRY(apply("--min-age", options.min_age, parse_duration, ready.min_age));
  if (options.marker) ready.marker = *options.marker;
  if (!options.ignore.empty()) ready.ignore = options.ignore;
  ingestion.archives = {options.members, options.nested_archives};
  TRY(apply("--modified-after", options.modified_after, read_instant, ready.modified_after));
  ingestion.start_from_now = options.start_from == "now";
  if (!ingestion.start_from_now) TRY(apply("--start-from", options.start_from, read_instant, ingestion.start_from));
  return {};
}

Result<void> apply_limits(const LoadOptions& options, Ingestion& ingestion) {
  TRY(apply("--batch-files-max", options.batch_files_max, parse_count, ingestion.batch.files_max));
  TRY(apply("--batch-bytes-max", options.batch_bytes_max, parse_size_bytes, ingestion.batch.bytes_max));
  TRY(apply("--run-files-max", options.run_files_max, parse_count, ingestion.run_files_max));
  TRY(apply("--order", options.order, read_order, ingestion.run_order));
  TRY(apply("--retry-attempts-max", options.retry_attempts_max, parse_attempts, ingestion.retry_attempts_max));
  return {};
}

/// `folder` is short for the disposition `move:folder`.
Result<void> apply_disposition(std::string_view end, const std::optional<std::string>& folder, const std::optional<std::string>& text,
                               Disposition& into) {
  if (folder && text) return invalid_input(fmt::format("--move-{0} and --disposition-{0}: give one of them", end));
  const auto read = [](const std::string& given) {
    return read_disposition(given, [](const std::string& path) { return absolute_uri(path); });
  };
  if (folder) return apply(fmt::format("--move-{}", end).c_str(), std::optional("move:" + *folder), read, into);
  return apply(fmt::format("--disposition-{}", end).c_str(), text, read, into);
}

Result<void> apply_table(const LoadOptions& options, std::span<const std::string> catalogs, Ingestion& ingestion) {
  const std::string table = options.catalog.empty() ? options.table : fmt::format("{}.{}", options.catalog, options.table);
  if (!options.catalog.empty() && std::find(catalogs.begin(), catalogs.end(), options.catalog) == catalogs.end()) {
    const std::vector<std::string_view> names(catalogs.begin(), catalogs.end());
    return invalid_input(fmt::format("--catalog: no catalog \"{}\"{}; there is: {}", options.catalog, did_you_mean(options.catalog, names),
                                     fmt::join(catalogs, ", ")));
  }
  Result<TableRef> parsed = parse_table_ref(table, catalogs);
  if (!parsed) return std::unexpected(parsed.error().within("--table"));
  ingestion.table = *std::move(parsed);
  return {};
}

/// Each file's rows are its own: what says where they come from stands in the object's metadata.
Result<void> apply_parquet(const LoadOptions& options, Ingestion& ingestion) {
  if (!options.catalog.empty()) return invalid_input("--catalog: Parquet objects lie in no catalog");
  Result<ObjectTarget> target = read_object_target(options.parquet);
  if (!target) return std::unexpected(target.error().within("--parquet"));
  if (!options.s3_endpoint.empty()) target->store["s3.endpoint"] = options.s3_endpoint;
  take_object_target(*std::move(target), ingestion);
  return {};
}

}  // namespace

Result<Ingestion> build_ingestion(const LoadOptions& options, std::span<const std::string> catalogs) {
  if (options.table.empty() == options.parquet.empty()) {
    return invalid_input("say where the rows go: --table NAMESPACE.NAME, or --parquet PREFIX for a Parquet object per file");
  }
  Ingestion ingestion;
  TRY(options.parquet.empty() ? apply_table(options, catalogs, ingestion) : apply_parquet(options, ingestion));
  ingestion.name = options.name;
  ingestion.partition_by = options.partition_by;
  ingestion.tracking = !options.no_tracking;
  TRY(apply_source(options, ingestion.sources.emplace_back()));
  TRY(apply_rows(options, ingestion));
  TRY(apply_readiness(options, ingestion));
  TRY(apply_limits(options, ingestion));
  TRY(apply_disposition("done", options.move_done, options.disposition_done, ingestion.disposition.done));
  TRY(apply_disposition("failed", options.move_failed, options.disposition_failed, ingestion.disposition.failed));
  TRY(validate(ingestion));
  return ingestion;
}

}  // namespace sluice
