#include "config/validate.h"

#include <set>

#include <fmt/format.h>

#include "base/cron.h"
#include "config/dispositions.h"
#include "config/object_target.h"
#include "formats/line_pattern.h"
#include "formats/sql_format.h"
#include "iceberg/partition_spec.h"
#include "iceberg/writer_properties.h"
#include "parquet/parquet_writer.h"
#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

/// Store and bucket of a path: one source has one set of credentials.
std::string store_of(std::string_view path) {
  const std::string_view scheme = scheme_of(path);
  if (scheme.empty() || is_local(path)) return "local files";
  const size_t host = scheme.size() + 3;
  return std::string(path.substr(0, path.find('/', host)));
}

/// Of the table, or of the Parquet objects.
Result<void> check_properties(const Ingestion& ingestion) {
  if (!ingestion.parquet) {
    const auto checked = check_new_table_properties(ingestion.table_properties);
    return checked ? Result<void>{} : std::unexpected(checked.error().within("table_properties"));
  }
  const auto options = ParquetOptions::from_properties(ingestion.table_properties);
  if (!options) return std::unexpected(options.error().within("table_properties"));
  if (options->bloom_filters.empty()) return {};
  // They are held until the file is finished, and an object is as large as what it is made from.
  return invalid_input("table_properties: write.parquet.bloom-filter-enabled.*: only data files of tables have bloom filters");
}

Result<void> check_csv(const CsvOptions& csv) {
  constexpr char kUsualQuote = '"';  // where none is given, and none is found that does better
  if (csv.delimiter && csv.delimiter == csv.quote.value_or(kUsualQuote)) {
    return invalid_input("csv: delimiter and quote are the same character");
  }
  for (const std::optional<char> c : {csv.delimiter, csv.quote, csv.escape, csv.comment}) {
    if (c == '\n' || c == '\r') return invalid_input("csv: a line break cannot be delimiter, quote, escape or comment");
  }
  if (csv.delimiter && csv.delimiter == csv.decimal) return invalid_input("csv: delimiter and decimal are the same character");
  if (csv.comment && csv.comment != '\0' && (csv.comment == csv.delimiter || csv.comment == csv.quote)) {
    return invalid_input("csv: comment is also the delimiter or the quote");
  }
  return {};
}

Result<void> check_source(const Source& source) {
  for (const std::string& path : source.paths) {
    if (store_of(path) != store_of(source.paths.front())) {
      return invalid_input(fmt::format("paths: {} and {} lie in different stores; make them two sources", source.paths.front(), path));
    }
    TRY(Glob::parse(path));
  }
  TRY(check_csv(source.csv));
  if (source.text.pattern.empty()) return {};
  const auto pattern = LinePattern::compile(source.text.pattern);
  if (!pattern) return std::unexpected(pattern.error().within("text.pattern"));
  return {};
}

/// Objects take every table of a dump unless one is named; a table takes one.
Result<void> settle_sql_tables(Ingestion& ingestion) {
  for (Source& source : ingestion.sources) {
    if (ingestion.parquet && source.sql.table.empty()) source.sql.table = kEverySqlTable;
    if (!ingestion.parquet && source.sql.table == kEverySqlTable) {
      return invalid_input("sql.table: \"*\" is every table of a dump, each as a Parquet object; for a table name one of them");
    }
  }
  return {};
}

Result<void> check_limits(const Ingestion& ingestion) {
  if (ingestion.batch.files_max < 1) return invalid_input("batch.files_max must be 1 or more");
  if (ingestion.batch.bytes_max < 1) return invalid_input("batch.bytes_max must be 1 byte or more");
  if (ingestion.run_files_max && *ingestion.run_files_max < 1) return invalid_input("run.files_max must be 1 or more");
  if (ingestion.retry_attempts_max < 1) return invalid_input("retry.attempts_max must be 1 or more: the first attempt counts");
  return {};
}

}  // namespace

Result<void> validate(Ingestion& ingestion) {
  if (ingestion.parquet) {
    TRY(check_object_target(ingestion));
  } else if (ingestion.table.ns.empty() || ingestion.table.name.empty()) {
    return invalid_input("table is missing: write NAMESPACE.NAME");
  }
  if (ingestion.name.empty()) ingestion.name = ingestion.parquet ? ingestion.parquet->prefix : ingestion.table.text();
  if (ingestion.sources.empty()) return invalid_input("no source: an ingestion reads from at least one");
  std::set<SourceId> ids;
  for (Source& source : ingestion.sources) {
    if (source.id.empty() && ingestion.sources.size() > 1) {
      return invalid_input("each of several sources needs an id: the ledger knows its files by it");
    }
    if (source.id.empty()) source.id = SourceId(kOnlySourceId);
    if (!ids.insert(source.id).second) return invalid_input(fmt::format("two sources are called \"{}\"", source.id.text));
    if (Result<void> checked = check_source(source); !checked) {
      return std::unexpected(checked.error().within(fmt::format("source \"{}\"", source.id.text)));
    }
  }
  TRY(check_dispositions(ingestion));
  TRY(settle_sql_tables(ingestion));
  for (const std::string& glob : ingestion.archives.members) TRY(Glob::parse(glob));
  for (const std::string& text : ingestion.partition_by) TRY(parse_partition_by(text));
  TRY(check_properties(ingestion));
  const BadRows& bad = ingestion.on_bad_row;
  if (bad.action == BadRowAction::kFail && (bad.rows_max.value_or(0) > 0 || bad.percent_max.value_or(0) > 0)) {
    return invalid_input("on_bad_row: max allows bad rows, but action fail does not; say action skip");
  }
  if (ingestion.schema.mode == SchemaMode::kApprove && !ingestion.tracking) {
    return invalid_input("schema.mode \"approve\" needs tracking: without records of files none can wait for approval");
  }
  if (!ingestion.schedule.empty()) {
    const auto cron = Cron::parse(ingestion.schedule, ingestion.timezone);
    if (!cron) return std::unexpected(cron.error().within("schedule"));
  }
  return check_limits(ingestion);
}

void settle_start_from(Ingestion& ingestion, const std::optional<Ingestion>& known, Timestamp now) {
  if (!ingestion.start_from_now) return;
  ingestion.start_from = known && known->start_from ? *known->start_from : now;
  ingestion.start_from_now = false;
}

}  // namespace sluice
