// status, files, runs, run-info: questions to the ledger.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "api/json_shapes.h"
#include "cli/command.h"
#include "cli/text_table.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr int64_t kRunsShown = 20;
constexpr int64_t kRunsInStatus = 5;

std::string seconds_between(const RunRecord& run) {
  if (!run.completed_at) return "-";
  return fmt::format("{:.1f} s", static_cast<double>((*run.completed_at - run.started_at).count()) / 1e6);
}

std::string runs_table(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const RunRecord& run : runs) {
    rows.push_back({run.id.text, std::string(to_string(run.state)), std::string(to_string(run.trigger)), to_text(run.started_at),
                    seconds_between(run), std::to_string(run.metrics.files_processed), std::to_string(run.metrics.files_failed),
                    std::to_string(run.metrics.records_written), run.error});
  }
  return text_table({"RUN", "STATUS", "TRIGGER", "STARTED", "TOOK", "FILES", "FAILED", "ROWS", "ERROR"}, rows);
}

Result<json> status_json(Opened& opened, const Ingestion& ingestion) {
  History& history = opened.parts->history();
  TRY_ASSIGN(const FileCounts counts, history.file_counts(ingestion.id));
  TRY_ASSIGN(const auto waiting, history.waiting_for_approval(ingestion.id));
  TRY_ASSIGN(const auto runs, history.runs({ingestion.id, kRunsInStatus}));
  TRY_ASSIGN(const auto newest, opened.parts->work().last_committed(ingestion.id, ""));
  json j = ingestion_json(ingestion);
  j["files"] = counts_json(counts);
  j["waiting_for_approval"] = waiting_json(waiting);
  j["table"] = ingestion.parquet ? json(nullptr) : json(ingestion.table.text());
  j["catalog"] = ingestion.parquet ? json(nullptr) : json(ingestion.table.catalog);
  j["target"] = ingestion.target_text();
  j["snapshot_id"] = newest && newest->snapshot_id ? json(*newest->snapshot_id) : json(nullptr);
  j["runs"] = json::array();
  for (const RunRecord& run : runs) j["runs"].push_back(run_json(run));
  return j;
}

std::string status_text(const json& status) {
  const json& files = status["files"];
  std::string text = fmt::format("{} -> {}\n", status["name"].get<std::string>(), status["target"].get<std::string>());
  text += fmt::format("  files: {} done, {} failed, {} skipped, {} pending ({} in all)\n", files["done"].get<int64_t>(),
                      files["failed"].get<int64_t>(), files["skipped"].get<int64_t>(), files["pending"].get<int64_t>(),
                      files["discovered"].get<int64_t>());
  if (!status["snapshot_id"].is_null()) text += fmt::format("  snapshot: {}\n", status["snapshot_id"].get<int64_t>());
  for (const json& group : status["waiting_for_approval"]) {
    text += fmt::format("  {} file(s) wait for approval: {}\n", group["files"].get<int64_t>(), group["changes"].get<std::string>());
  }
  for (const json& run : status["runs"]) {
    text +=
        fmt::format("  run {}  {}  {}  {} file(s), {} rows{}\n", run["run_id"].get<std::string>(), run["started_at"].get<std::string>(),
                    run["status"].get<std::string>(), run["files_processed"].get<int64_t>(),
                    run["metrics"]["records_written"].get<int64_t>(), run["error"].is_null() ? "" : "  " + run["error"].get<std::string>());
  }
  return text;
}

Result<void> status(CommandLine& line, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  std::vector<Ingestion> shown;
  if (name.empty()) {
    TRY_ASSIGN(shown, opened.parts->registry().ingestions("default"));
  } else {
    TRY_ASSIGN(Ingestion one, find_ingestion(opened, name));
    shown.push_back(std::move(one));
  }
  json all = json::array();
  for (const Ingestion& ingestion : shown) {
    TRY_ASSIGN(json one, status_json(opened, ingestion));
    all.push_back(std::move(one));
  }
  if (line.flags.json) {
    line.print((name.empty() ? json{{"ingestions", all}} : all[0]).dump(2) + "\n");
    return {};
  }
  if (all.empty()) line.print("No ingestion yet. `sluice load PATH --table NS.NAME` makes the first.\n");
  for (const json& one : all) line.print(status_text(one));
  return {};
}

/// One file's whole story: its state, its loads and its failed attempts.
Result<void> one_file(CommandLine& line, Opened& opened, const Ingestion& ingestion, const FileRecord& file) {
  TRY_ASSIGN(const auto loads, opened.parts->history().loads(ingestion.id, file.path));
  TRY_ASSIGN(const auto attempts, opened.parts->history().attempts(ingestion.id, file.path));
  json j = file_json(file);
  j["loads"] = json::array();
  for (const FileLoad& load : loads) j["loads"].push_back(load_json(load));
  j["failed_attempts"] = json::array();
  for (const FileAttempt& attempt : attempts) j["failed_attempts"].push_back(attempt_json(attempt));
  line.print(j.dump(2) + "\n");
  return {};
}

struct FilesFlags {
  std::string ingestion, file, status;
  int64_t limit = 1000;
};

Result<FilesQuery> files_query(const FilesFlags& flags, const Ingestion& ingestion) {
  FilesQuery query;
  query.ingestion = ingestion.id;
  query.limit = flags.limit;
  if (flags.status.empty()) return query;
  std::string wanted = flags.status;
  std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (wanted == "DONE" || wanted == "PROCESSED") wanted = "SUCCESS";
  if (wanted == "PENDING") wanted = "DISCOVERED";
  query.state = parse_file_state(wanted);
  if (!query.state) {
    return invalid_input(fmt::format("--status {}: not a state; use discovered, processing, success, failed or skipped", flags.status));
  }
  return query;
}

Result<void> files(CommandLine& line, const FilesFlags& flags) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, flags.ingestion));
  TRY_ASSIGN(FilesQuery query, files_query(flags, ingestion));
  if (!flags.file.empty()) {
    TRY_ASSIGN(query.path, absolute_uri(flags.file));
    TRY_ASSIGN(const FilePage page, opened.parts->history().files(query));
    if (page.files.empty()) {
      return fail(ErrorCode::kNotFound, fmt::format("ingestion {} knows no file {}", flags.ingestion, query.path));
    }
    return one_file(line, opened, ingestion, page.files[0]);
  }
  TRY_ASSIGN(const FilePage page, opened.parts->history().files(query));
  if (line.flags.json) {
    json list = json::array();
    for (const FileRecord& file : page.files) list.push_back(file_json(file));
    line.print(json{{"files", list}, {"total", page.total}}.dump(2) + "\n");
    return {};
  }
  std::vector<std::vector<std::string>> rows;
  for (const FileRecord& file : page.files) {
    rows.push_back({std::string(to_string(file.state)), std::to_string(file.rows), std::to_string(file.size_bytes),
                    file.processed_at ? to_text(*file.processed_at) : "-", file.path, file.error_message});
  }
  line.print(text_table({"STATUS", "ROWS", "BYTES", "PROCESSED AT", "FILE", "ERROR"}, rows));
  if (page.total > static_cast<int64_t>(page.files.size()))
    line.print(fmt::format("({} of {}; --limit shows more)\n", page.files.size(), page.total));
  return {};
}

Result<void> runs(CommandLine& line, const std::string& name, int64_t limit) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, name));
  TRY_ASSIGN(const auto list, opened.parts->history().runs({ingestion.id, limit}));
  TRY_ASSIGN(const int64_t total, opened.parts->history().run_count(ingestion.id));
  if (!line.flags.json) {
    line.print(runs_table(list));
    return {};
  }
  json all = json::array();
  for (const RunRecord& run : list) all.push_back(run_json(run));
  line.print(json{{"runs", all}, {"total", total}}.dump(2) + "\n");
  return {};
}

Result<void> run_info(CommandLine& line, const std::string& id) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const auto run, opened.parts->history().run(id));
  if (!run) return fail(ErrorCode::kNotFound, fmt::format("no run {}; `sluice runs INGESTION` lists them", id));
  line.print(line.flags.json ? run_json(*run).dump(2) + "\n" : runs_table({*run}));
  if (!line.flags.json) {
    for (const std::string& change : run->schema_changes) line.print("  schema: " + change + "\n");
  }
  return {};
}

}  // namespace

void add_show_commands(CLI::App& app, CommandLine& line) {
  auto* status_command = app.add_subcommand("status", "Files by state, last runs, table and snapshot");
  auto name = std::make_shared<std::string>();
  auto* status_of = status_command->add_option("INGESTION", *name, "Name or id; all where left out");
  auto inventory = std::make_shared<bool>(false);
  status_command->add_flag("--inventory", *inventory, "A line for each file found: name, size, type, state, reason")->needs(status_of);
  status_command->callback([&line, name, inventory] {
    auto done = *inventory ? show_inventory(line, *name) : status(line, *name);
    if (!done) line.exit_code = line.usage(done.error());
  });

  auto* files_command = app.add_subcommand("files", "Every file that an ingestion knows, or one file's whole story");
  auto flags = std::make_shared<FilesFlags>();
  files_command->add_option("INGESTION", flags->ingestion, "Name or id")->required();
  files_command->add_option("FILE", flags->file, "Path or URI: its state, loads and failed attempts (JSON)");
  files_command->add_option("--status", flags->status, "Only files in this state: discovered, processing, success, failed, skipped");
  files_command->add_option("--limit", flags->limit, "Files shown at most")->check(CLI::PositiveNumber);
  files_command->callback([&line, flags] {
    if (auto done = files(line, *flags); !done) line.exit_code = line.usage(done.error());
  });

  auto* runs_command = app.add_subcommand("runs", "The runs of an ingestion, latest first");
  auto runs_name = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(kRunsShown);
  runs_command->add_option("INGESTION", *runs_name, "Name or id")->required();
  runs_command->add_option("--limit", *limit, "Runs shown at most")->check(CLI::PositiveNumber);
  runs_command->callback([&line, runs_name, limit] {
    if (auto done = runs(line, *runs_name, *limit); !done) line.exit_code = line.usage(done.error());
  });

  auto* info_command = app.add_subcommand("run-info", "One run: counts, schema changes, snapshots, error");
  auto id = std::make_shared<std::string>();
  info_command->add_option("RUN", *id, "Run id")->required();
  info_command->callback([&line, id] {
    if (auto done = run_info(line, *id); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
