// restore, rebuild: what helps when the ledger is damaged or lost.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "ledger/sqlite_backup.h"
#include "ledger/sqlite_ledger.h"
#include "pipeline/rebuild.h"

namespace sluice {
namespace {

Result<void> restore(CommandLine& line, bool yes) {
  TRY_ASSIGN(const Config config, read_configuration(line));
  const std::string path = config.ledger_path();
  if (path.empty()) return invalid_input(fmt::format("{}: a database server restores its own backups", config.ledger_name()));
  const std::string warning = fmt::format("{} is not damaged: its backup knows nothing of what was loaded since it was made.", path);
  if (!yes && is_sound(path)) TRY(ask_first(line, warning, " Put the backup in its place?", " Nothing was changed"));
  TRY_ASSIGN(const std::string aside, SqliteLedger::restore(path, line.clock));
  line.print(line.flags.json ? nlohmann::json{{"ledger", path}, {"kept", aside}}.dump(2) + "\n"
                             : fmt::format("Restored {} from its backup. What was there is kept: {}\n"
                                           "If a table got more since the backup was made, the next run says so: `sluice rebuild`\n",
                                           path, aside));
  return {};
}

Result<Timestamp> time_typed(const std::string& text) {
  const auto time = parse_timestamp(text);
  if (!time) return invalid_input(fmt::format("--assume-loaded-until {}: no time; write 2026-11-21T11:08:00Z or 2026-11-21", text));
  return *time;
}

std::string rebuilt_text(const RebuildReport& report, const Ingestion& ingestion) {
  const std::string from = ingestion.parquet ? fmt::format("object(s) below {}", ingestion.parquet->prefix)
                                             : fmt::format("data file(s) of table {}", ingestion.table.text());
  std::string text =
      fmt::format("Rebuilt {} from {} {}: {} file(s) loaded\n", ingestion.name, report.data_files, from, report.files_loaded);
  if (report.versions_by_footer > 0) {
    text += fmt::format("  {} version(s) are remembered from footers, also those of files that the sources no longer show\n",
                        report.versions_by_footer);
  }
  if (report.data_files_without_footer > 0) {
    text += fmt::format(
        "  {} data file(s) were written by another program; {} file(s) are known by _source_file alone: the version that is "
        "there now counts as loaded\n",
        report.data_files_without_footer, report.files_by_column);
  }
  if (report.files_assumed > 0) text += fmt::format("  {} file(s) count as loaded by --assume-loaded-until\n", report.files_assumed);
  if (report.rows_untraced > 0) text += fmt::format("  {} row(s) of the table are of no file that is known\n", report.rows_untraced);
  return text + fmt::format("{} file(s) wait for the next run\n", report.files_to_load);
}

nlohmann::json rebuilt_json(const RebuildReport& report) {
  return {{"data_files", report.data_files},
          {"data_files_without_footer", report.data_files_without_footer},
          {"versions_by_footer", report.versions_by_footer},
          {"files_by_column", report.files_by_column},
          {"files_assumed", report.files_assumed},
          {"rows_untraced", report.rows_untraced},
          {"files_loaded", report.files_loaded},
          {"files_to_load", report.files_to_load}};
}

Result<void> rebuild_ingestion(CommandLine& line, const std::string& name, const std::string& until) {
  RebuildOptions options;
  if (!until.empty()) {
    TRY_ASSIGN(options.assume_loaded_until, time_typed(until));
  }
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kCreate));
  TRY_ASSIGN(const Ingestion found, find_ingestion(opened, name));
  TRY_ASSIGN(const Ingestion ingestion, with_secrets(line, found));
  TRY_ASSIGN(auto sink, opened.parts->open_sink(ingestion));
  Context context;
  context.stop = line.stop;
  TRY_ASSIGN(const RebuildReport report, rebuild(opened.parts->engine_parts(), ingestion, *sink, options, context));
  line.print(line.flags.json ? rebuilt_json(report).dump(2) + "\n" : rebuilt_text(report, ingestion));
  return {};
}

}  // namespace

void add_ledger_commands(CLI::App& app, CommandLine& line) {
  auto* restore_command = app.add_subcommand("restore", "Put the last good copy of the SQLite ledger in its place");
  auto yes = std::make_shared<bool>(false);
  restore_command->add_flag("--yes", *yes, "Do not ask where the ledger is not damaged");
  restore_command->callback([&line, yes] {
    if (auto done = restore(line, *yes); !done) line.exit_code = line.usage(done.error());
  });

  auto* rebuild_command = app.add_subcommand("rebuild", "Make the ledger anew from what the table, or the prefix, holds; loads nothing");
  auto name = std::make_shared<std::string>();
  auto until = std::make_shared<std::string>();
  rebuild_command->add_option("INGESTION", *name, "Name or id")->required();
  rebuild_command->add_option("--assume-loaded-until", *until,
                              "Files last changed before this time count as loaded, whatever the table says");
  rebuild_command->callback([&line, name, until] {
    if (auto done = rebuild_ingestion(line, *name, *until); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
