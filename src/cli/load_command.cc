// load: paths on the command line into a table, or into Parquet objects. The flags build the same Ingestion as sluice.yaml and REST bodies.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <sstream>

#include "api/json_shapes.h"
#include "cli/execute.h"
#include "cli/preflight.h"
#include "cli/text_table.h"
#include "config/dispositions.h"
#include "config/load_options.h"
#include "config/validate.h"
#include "pipeline/mark_rules.h"
#include "storage/listing_feed.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr size_t kFilesFromBytesMax = 1 << 30;

struct LoadFlags {
  LoadOptions load;
  std::string warehouse, files_from;
  bool dry_run = false, allow_empty = false;
  int threads = 0;
};

/// One path a line ("-": standard input); blank lines are passed over. Names may hold anything but a newline.
Result<std::vector<std::string>> read_file_list(const CommandLine& command, const std::string& name) {
  std::ifstream file;
  std::istringstream typed;
  if (name == "-") {
    TRY_ASSIGN(std::string text, read_standard_input(command, kFilesFromBytesMax));
    typed.str(std::move(text));
  } else {
    file.open(name);
    if (!file) return invalid_input(fmt::format("--files-from {}: cannot be read", name));
  }
  std::istream& in = name == "-" ? static_cast<std::istream&>(typed) : file;
  std::vector<std::string> paths;
  size_t bytes = 0;
  for (std::string line; std::getline(in, line);) {
    bytes += line.size();
    if (bytes > kFilesFromBytesMax)
      return invalid_input(fmt::format("--files-from {}: more than {} bytes of names", name, kFilesFromBytesMax));
    if (line.empty()) continue;
    TRY_ASSIGN(std::string uri, absolute_uri(line));
    paths.push_back(std::move(uri));
  }
  return paths;
}

/// A path typed by hand that matches nothing is a slip of the hand: said before anything is written.
Result<void> check_paths_match(const CommandLine& line, const Ingestion& ingestion, const std::vector<std::string>& typed) {
  const Source& source = ingestion.sources.front();
  for (size_t i = 0; i < source.paths.size(); ++i) {
    TRY_ASSIGN(ObjectStore * store, line.stores.store_for(source.paths[i], source.store));
    TRY_ASSIGN(auto feed, make_listing_feed(*store, {&source.paths[i], 1}, ingestion.ready, line.clock));
    Context context;
    bool any = false;
    for (bool last = false; !last && !any;) {
      TRY_ASSIGN(const FeedPage page, feed->next(context));
      last = page.last;
      any =
          !page.files.empty() || !page.warnings.empty() || !page.bad_names.empty() || page.waiting > 0 || (last && page.unmatched.empty());
    }
    if (!any) return invalid_input(fmt::format("{}: no file matches; nothing was loaded (--allow-empty accepts that)", typed[i]));
  }
  return {};
}

/// The same of a list: one of its files is enough. A member of an archive, and what cannot be asked for, is left to the run.
Result<void> check_list_matches(const CommandLine& line, const Source& source, const std::vector<std::string>& uris,
                                const std::string& list) {
  Context context;
  context.stop = line.stop;
  for (const std::string& uri : uris) {
    TRY_ASSIGN(ObjectStore * store, line.stores.store_for(uri, source.store));
    const auto there = store->stat(uri, context);
    if (there || there.error().code != ErrorCode::kNotFound || uri.contains("!/")) return {};
  }
  return invalid_input(
      fmt::format("--files-from {}: none of its {} file(s) is there; nothing was loaded (--allow-empty accepts that)", list, uris.size()));
}

/// A new table goes where its catalog says.
Result<void> check_warehouse_is_used(const Catalog& catalog, const Ingestion& ingestion, const std::string& typed) {
  TRY_ASSIGN(std::string wanted, absolute_uri(typed));
  while (wanted.ends_with('/') && wanted != "file:///") wanted.pop_back();
  if (wanted == catalog.warehouse()) return {};
  return invalid_input(
      fmt::format("--warehouse {}: it says where the tables of the catalog `local` lie while sluice.yaml defines none; those of catalog {} "
                  "lie at {}, as sluice.yaml says; leave --warehouse out, or change the catalog's warehouse there",
                  typed, ingestion.table.catalog, catalog.warehouse()));
}

/// A --warehouse in which the table does not lie belongs to another catalog, or is a slip of the hand; that of a configured catalog stands
/// in its configuration. Writes nothing.
Result<void> check_warehouse(const CommandLine& line, const Config& config, const Ingestion& ingestion, const std::string& typed) {
  if (typed.empty()) return {};
  if (ingestion.parquet) return invalid_input("--warehouse: Parquet objects lie in no warehouse");
  TRY_ASSIGN(const auto parts, line.assemble(config, LedgerMode::kScratchIfMissing));
  TRY_ASSIGN(Catalog * catalog, parts->catalog(ingestion.table.catalog));
  Context context;
  context.stop = line.stop;
  const auto table = catalog->load({ingestion.table.ns, ingestion.table.name}, context);
  if (!table && table.error().code == ErrorCode::kNotFound) return check_warehouse_is_used(*catalog, ingestion, typed);
  TRY(table);
  TRY_ASSIGN(const std::string location, absolute_uri(table->metadata.location));
  if (location.starts_with(catalog->warehouse() + "/")) return {};
  return invalid_input(
      fmt::format("--warehouse {}: table {} of catalog {} lies at {}, not in this warehouse; leave --warehouse out, or name "
                  "the catalog's own folder with --home",
                  typed, ingestion.table.text(), ingestion.table.catalog, location));
}

/// Rule T, before the ledger's definition is changed: a slip of the hand is not to be remembered.
Result<void> check_new_target(const CommandLine& line, Assembly& parts, const Ingestion& known, Ingestion wanted) {
  wanted.id = known.id;
  TRY_ASSIGN(const auto sink, parts.open_sink(wanted));
  Context context;
  context.stop = line.stop;
  return check_target(parts.work(), *sink, wanted, context);
}

std::string dry_run_text(const DryRun& dry, const Ingestion& ingestion) {
  std::string text = fmt::format("{} file(s) found, {} known and unchanged, {} new, {} changed, {}{}{}{} bytes to load\n", dry.files_found,
                                 dry.files_unchanged, dry.files_new, dry.files_changed,
                                 dry.files_waiting > 0 ? fmt::format("{} waiting since earlier runs, ", dry.files_waiting) : "",
                                 dry.files_not_ready > 0 ? fmt::format("{} not ready yet, ", dry.files_not_ready) : "",
                                 dry.files_skipped > 0 ? fmt::format("{} skipped, ", dry.files_skipped) : "", dry.bytes);
  if (dry.archives > 0) text += fmt::format("{} archive(s) with {} member(s) to load\n", dry.archives, dry.members);
  for (const auto& [path, format] : dry.formats) text += fmt::format("{}: {}\n", path.substr(path.rfind('/') + 1), format);
  text += ingestion.parquet
              ? fmt::format("Each file would become an object below {}, with its own of these columns:\n", ingestion.parquet->prefix)
              : fmt::format("Table {} {}:\n", ingestion.table.text(), dry.table_exists ? "exists; it would have" : "would be made with");
  std::vector<std::vector<std::string>> rows;
  for (const Field& field : dry.schema.fields) rows.push_back({field.name, to_text(*field.type), field.required ? "required" : ""});
  text += text_table({"COLUMN", "TYPE", ""}, rows);
  for (const std::string& change : dry.schema_changes) text += "Would change: " + change + "\n";
  for (const std::string& warning : dry.warnings) text += "warning: " + warning + "\n";
  return text + "Nothing was written (--dry-run).\n";
}

Result<void> dry_run(CommandLine& line, Assembly& parts, Ingestion& ingestion, const RunOptions& options) {
  TRY_ASSIGN(const auto known, parts.registry().find_ingestion(ingestion.tenant, ingestion.name));
  if (known) ingestion.id = known->id;
  settle_start_from(ingestion, known, line.clock.now());
  TRY_ASSIGN(auto sink, parts.open_sink(ingestion));
  Context context;
  context.stop = line.stop;
  TRY_ASSIGN(const DryRun dry, Engine(parts.engine_parts()).dry_run(ingestion, *sink, options, context));
  line.print(line.flags.json ? dry_run_json(dry).dump(2) + "\n" : dry_run_text(dry, ingestion));
  return {};
}

Result<void> load(CommandLine& line, const LoadFlags& flags) {
  if (flags.load.paths.empty() && flags.files_from.empty()) return invalid_input("give at least one PATH, or --files-from");
  Opened opened;
  TRY_ASSIGN(opened.config, read_configuration(line, flags.warehouse));
  std::vector<std::string> catalogs;
  for (const auto& [name, catalog] : opened.config.catalogs) catalogs.push_back(name);
  TRY_ASSIGN(Ingestion ingestion, build_ingestion(flags.load, catalogs));
  // Also where the table lies, unless its catalog says otherwise.
  if (!flags.load.s3_endpoint.empty() && !ingestion.parquet) {
    opened.config.catalogs.at(ingestion.table.catalog).properties.try_emplace("s3.endpoint", flags.load.s3_endpoint);
  }

  RunOptions options;
  if (!flags.files_from.empty()) {
    TRY_ASSIGN(options.files_from, read_file_list(line, flags.files_from));
    if (options.files_from->empty() && (!flags.allow_empty || flags.load.paths.empty())) {
      return invalid_input(
          fmt::format("--files-from {}: it names no file; nothing was loaded (with a PATH, --allow-empty accepts that)", flags.files_from));
    }
    if (ingestion.sources.front().paths.empty()) ingestion.sources.front().paths = *options.files_from;
    TRY(check_dispositions(ingestion));
    if (!flags.allow_empty) TRY(check_list_matches(line, ingestion.sources.front(), *options.files_from, flags.files_from));
  } else if (!flags.allow_empty) {
    TRY(check_paths_match(line, ingestion, flags.load.paths));
  }
  TRY(check_warehouse(line, opened.config, ingestion, flags.warehouse));
  TRY(check_before_run(line, opened.config, ingestion));
  const LedgerMode mode = flags.dry_run ? LedgerMode::kScratchIfMissing : LedgerMode::kCreate;
  TRY_ASSIGN(opened.parts, line.assemble(opened.config, mode));
  if (flags.dry_run) return dry_run(line, *opened.parts, ingestion, options);

  TRY_ASSIGN(const auto known, opened.parts->registry().find_ingestion(ingestion.tenant, ingestion.name));
  settle_start_from(ingestion, known, line.clock.now());
  if (known && known->target_text() != ingestion.target_text()) TRY(check_new_target(line, *opened.parts, *known, ingestion));
  options.on_change_is_a_guess = !flags.load.on_change && !ingestion.parquet;
  TRY_ASSIGN(ingestion, opened.parts->registry().put_ingestion(ingestion));
  line.exit_code = execute_run(line, *opened.parts, ingestion, options, flags.threads);
  return {};
}

void add_reading_flags(CLI::App& command, LoadOptions& load) {
  command.add_option("--format", load.format, "auto, json, csv, tsv, text, parquet, avro, orc or sql")->capture_default_str();
  command.add_option("--delimiter", load.delimiter, "CSV: one character, or \\t (default: found in each file, as the next seven)")
      ->group("Reading");
  command.add_option("--quote", load.quote, "CSV: one character, or none")->group("Reading");
  command.add_option("--escape", load.escape, "CSV: stands before a quote inside quotes: one character, or none")->group("Reading");
  command.add_flag_callback("--header", [&load] { load.header = true; }, "CSV: the first line names the columns")->group("Reading");
  command.add_flag_callback("--no-header", [&load] { load.header = false; }, "CSV: the first line is data")->group("Reading");
  command.add_option("--encoding", load.encoding, "CSV, text: utf-8, utf-16, utf-16le, utf-16be, latin-1 or windows-1252")
      ->group("Reading");
  command.add_option("--decimal", load.decimal, "CSV: the decimal mark, . or ,")->group("Reading");
  command.add_option("--comment", load.comment, "CSV: begins lines to pass over: one character, or none")->group("Reading");
  command.add_option("--skip", load.skip, "CSV: lines to pass over before the first record")->group("Reading");
  command.add_option("--pattern", load.pattern, "text: a regular expression; its named groups are the columns")->group("Reading");
  command.add_option("--null", load.null_tokens, "CSV: unquoted text that means null (repeatable)")->group("Reading");
  command.add_option("--sql-table", load.sql_table, "SQL dump: the table to load (default: the only one with rows)")->group("Reading");
  command.add_option("--sql-dialect", load.sql_dialect, "SQL dump: auto (default), postgresql, mysql or sqlite")->group("Reading");
  command.add_option("--on-bad-row", load.on_bad_row, "fail (default): a bad row fails its file; skip: it goes to quarantine")
      ->group("Reading");
  command.add_option("--bad-rows-max", load.bad_rows_max, "With skip: at most this many per file, 10 or 1%")->group("Reading");
  command.add_option("--min-age", load.min_age, "Only files unchanged for this long: 30s, 5m")->group("Reading");
  command.add_option("--marker", load.marker, "Load a folder's files once this name lies beside them")->group("Reading");
  command.add_option("--ignore", load.ignore, "Patterns of names to pass over (default: _*, .*, *.tmp)")->group("Reading");
  command.add_option("--members", load.members, "Archives: only members that match, *.csv or dir/*.csv (repeatable)")->group("Reading");
  command.add_flag("--nested-archives", load.nested_archives, "Archives in archives are opened, too (one level)")->group("Reading");
  command.add_option("--modified-after", load.modified_after, "Only files changed after this time")->group("Reading");
  command.add_option("--start-from", load.start_from, "now, or a time: earlier files are SKIPPED (Baseline)")->group("Reading");
  command.add_option("--on-change", load.on_change, "A loaded file whose content changed: append, ignore or fail")->group("Reading");
}

void add_table_flags(CLI::App& command, LoadFlags& flags) {
  LoadOptions& load = flags.load;
  command.add_option("--catalog", load.catalog, "Catalog of sluice.yaml (default: local)")->group("Table");
  command.add_option("--warehouse", flags.warehouse, "Folder or s3:// URI of the catalog `local` (default: ./warehouse)")->group("Table");
  command.add_option("--partition-by", load.partition_by, "For a new table: city, day(ts), bucket(16, id), truncate(4, name) (repeatable)")
      ->group("Table");
  command.add_option("--schema-mode", load.schema_mode, "evolve (default), approve, fixed or rescue")->group("Table");
  command.add_option("--contract", load.contract, "YAML file that fixes the columns")->group("Table");
  command
      .add_option("--column", load.columns,
                  "A column by definition (repeatable): \"name: amount, from: Betrag, type: 'decimal(12,2)'\"; also value, path_pattern, "
                  "json, check")
      ->allow_extra_args(false)
      ->group("Table");
  command.add_flag("--hive-partitioning", load.hive_partitioning, "Folders named key=value are columns")->group("Table");
  command.add_flag("--strict", load.strict_mode, "With a contract: one wrong header and nothing is loaded")->group("Table");
  command
      .add_option("--metadata-columns", load.metadata_columns,
                  "Separated by commas (default: _source_file): _source_row, _loaded_at, _source_system, _batch_id; \"\" for none")
      ->group("Table");
}

void add_run_flags(CLI::App& command, LoadFlags& flags) {
  LoadOptions& load = flags.load;
  command.add_flag("--dry-run", flags.dry_run, "Show what would be loaded and what would change; write nothing")->group("Run");
  command.add_flag("--no-tracking", load.no_tracking, "Load everything, remember no file")->group("Run");
  command.add_option("--files-from", flags.files_from, "Load just the files named in this file, one a line (-: standard input)")
      ->group("Run");
  command.add_flag("--allow-empty", flags.allow_empty, "A PATH may match nothing, and --files-from may name none")->group("Run");
  command.add_option("--batch-files-max", load.batch_files_max, "Files of one snapshot")->group("Run");
  command.add_option("--batch-bytes-max", load.batch_bytes_max, "Input bytes of one snapshot: 1GiB")->group("Run");
  command.add_option("--run-files-max", load.run_files_max, "Files of this run")->group("Run");
  command.add_option("--order", load.order, "name or time")->group("Run");
  command.add_option("--retry-attempts-max", load.retry_attempts_max, "Runs that try a failing file")->group("Run");
  command.add_option("--threads", flags.threads, "Files read at once (default: one per core)")->check(CLI::Range(1, 1024))->group("Run");
}

void add_disposition_flags(CLI::App& command, LoadOptions& load) {
  const char* group = "After the load";
  command.add_option("--move-done", load.move_done, "Folder that files go to once they are loaded")->group(group);
  command.add_option("--move-failed", load.move_failed, "Folder that files go to once they are not tried again")->group(group);
  command.add_option("--disposition-done", load.disposition_done, "keep (default), delete, move:PATH or tag")->group(group);
  command.add_option("--disposition-failed", load.disposition_failed, "keep (default), delete, move:PATH or tag")->group(group);
}

}  // namespace

void add_load_command(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("load", "Load new and changed files into a table, or convert them to Parquet, each exactly once");
  auto flags = std::make_shared<LoadFlags>();
  command->add_option("PATH", flags->load.paths, "Files, folders or globs (**, *, ?, [a-z], {a,b})");
  command->add_option("--table", flags->load.table, "NS.NAME: rows go to this table");
  command->add_option("--parquet", flags->load.parquet,
                      "s3://BUCKET/PREFIX or a folder: instead, each file becomes a Parquet object there");
  command->add_option("--name", flags->load.name, "Name of the ingestion (default: the table's, or PREFIX)");
  command->add_option("--s3-endpoint", flags->load.s3_endpoint,
                      "URL of the S3 service, of paths and warehouse (default: AWS_ENDPOINT_URL, AWS)");
  add_reading_flags(*command, flags->load);
  add_table_flags(*command, *flags);
  add_run_flags(*command, *flags);
  add_disposition_flags(*command, flags->load);
  command->callback([&line, flags] {
    if (auto done = load(line, *flags); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
