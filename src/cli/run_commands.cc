// run, retry, approve, forget: work on ingestions that are defined already.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "api/json_shapes.h"
#include "base/ids.h"
#include "cli/execute.h"
#include "cli/preflight.h"
#include "pipeline/members.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

Result<std::vector<std::string>> absolute_uris(const std::vector<std::string>& typed) {
  std::vector<std::string> uris;
  for (const std::string& text : typed) {
    TRY_ASSIGN(std::string uri, absolute_uri(text));
    uris.push_back(std::move(uri));
  }
  return uris;
}

/// The worst of several exit codes: an interruption, then a failed run, then failed files.
int worst(int a, int b) {
  for (int code : {kExitInterrupted, kExitFailed, kExitUsage, kExitSomeFailed}) {
    if (a == code || b == code) return code;
  }
  return kExitDone;
}

/// Leaves the run in the ledger, for a server to take.
Result<Outcome> hand_over(const CommandLine& line, Assembly& parts, const Ingestion& ingestion) {
  TRY_ASSIGN(const RequestedRun asked,
             parts.queue().request_run({.id = RunId(new_uuid()), .ingestion = ingestion.id, .trigger = Trigger::kCli}));
  if (asked.outcome == RequestOutcome::kBusy) {
    return fail(ErrorCode::kConflict, fmt::format("run {} of {} is {}", asked.run->id.text, ingestion.name, to_string(asked.run->state)));
  }
  if (asked.outcome == RequestOutcome::kQueueFull) return fail(ErrorCode::kUnavailable, "too many runs are waiting already");
  if (asked.outcome != RequestOutcome::kMade) return fail(ErrorCode::kConflict, fmt::format("{} is {}", ingestion.name, ingestion.status));
  if (line.flags.json) return Outcome{kExitDone, run_json(*asked.run)};
  line.print(fmt::format("Run {} of {} waits for a server\n", asked.run->id.text, ingestion.name));
  return Outcome{};
}

Outcome run_one(const CommandLine& line, Opened& opened, const std::string& name, bool no_wait) {
  const auto ingestion = find_ingestion(opened, name);
  if (!ingestion) return refused(line, ingestion.error());
  if (!no_wait) return execute(line, *opened.parts, *ingestion, {});
  const auto left = hand_over(line, *opened.parts, *ingestion);
  if (left) return *left;
  Outcome outcome = refused(line, left.error());
  outcome.exit_code = exit_code_of(left.error());  // busy, or the queue is full: no wrong usage
  return outcome;
}

/// One ingestion that cannot be run does not keep the others from it.
Result<void> run_all(CommandLine& line, bool no_wait) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kCreate));
  std::vector<std::string> names;
  for (const Ingestion& ingestion : opened.config.ingestions) names.push_back(ingestion.name);
  TRY_ASSIGN(const auto known, opened.parts->registry().ingestions("default"));
  for (const Ingestion& ingestion : known) {
    if (std::ranges::find(names, ingestion.name) == names.end()) names.push_back(ingestion.name);
  }
  nlohmann::json runs = nlohmann::json::array(), errors = nlohmann::json::array();
  for (const std::string& name : names) {
    if (!no_wait && !line.flags.json && !line.flags.quiet) line.print(fmt::format("== {}\n", name));
    const auto checked = check_defined(line, opened.config, name);
    Outcome outcome = checked ? run_one(line, opened, name, no_wait) : refused(line, checked.error());
    line.exit_code = worst(line.exit_code, outcome.exit_code);
    if (outcome.document.contains("run_id")) {
      runs.push_back(std::move(outcome.document));
    } else if (line.flags.json) {
      errors.push_back({{"ingestion", name}, {"error", std::move(outcome.document["error"])}});
    }
    if (line.stop.stop_requested()) break;
  }
  const auto total = runs.size();
  if (line.flags.json)
    line.print(nlohmann::json{{"runs", std::move(runs)}, {"errors", std::move(errors)}, {"total", total}}.dump(2) + "\n");
  return {};
}

Result<void> run(CommandLine& line, const std::string& name, bool all, bool no_wait) {
  if (name.empty() == !all) return invalid_input("name one INGESTION, or use --all");
  if (all) return run_all(line, no_wait);
  TRY_ASSIGN(const Config config, read_configuration(line));
  TRY(check_defined(line, config, name));
  // What sluice.yaml does not define can only be in a ledger that is there.
  auto opened_parts = open_parts(line, config.ingestion(name) ? LedgerMode::kCreate : LedgerMode::kMustExist);
  if (!opened_parts) return std::unexpected(opened_parts.error().within(fmt::format("ingestion \"{}\"", name)));
  Opened& opened = *opened_parts;
  const Outcome outcome = run_one(line, opened, name, no_wait);
  if (line.flags.json) line.print(outcome.document.dump(2) + "\n");
  line.exit_code = outcome.exit_code;
  return {};
}

/// An archive stands for its members.
Result<bool> has_member_in(History& history, const Ingestion& ingestion, const std::string& archive, std::optional<FileState> state) {
  FilesQuery query{.ingestion = ingestion.id, .state = state};
  do {
    TRY_ASSIGN(const FilePage page, history.files(query));
    if (std::ranges::any_of(page.files, [&](const FileRecord& file) { return file.path.starts_with(member_path(archive, "")); }))
      return true;
    query.cursor = page.next_cursor;
  } while (!query.cursor.empty());
  return false;
}

/// Names that stand for no file of the ingestion, or for none in that state, are slips of the hand: said before anything is done.
Result<void> check_named(History& history, const Ingestion& ingestion, const std::vector<std::string>& paths,
                         std::optional<FileState> state) {
  for (const std::string& path : paths) {
    TRY_ASSIGN(const FilePage exact, history.files({.ingestion = ingestion.id, .state = state, .path = path, .limit = 1}));
    if (!exact.files.empty()) continue;
    TRY_ASSIGN(const bool has_members, has_member_in(history, ingestion, path, state));
    if (has_members) continue;
    return invalid_input(fmt::format("{}: {} has no {}file of that name; nothing was changed (`sluice files {}` lists them)", path,
                                     ingestion.name, state == FileState::kFailed ? "failed " : "", ingestion.name));
  }
  return {};
}

Result<void> retry(CommandLine& line, const std::string& name, const std::vector<std::string>& files) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, name));
  RunOptions options;
  options.trigger = Trigger::kRetry;
  options.retry_failed = true;
  TRY_ASSIGN(options.only_paths, absolute_uris(files));
  TRY(check_named(opened.parts->history(), ingestion, options.only_paths, FileState::kFailed));
  line.exit_code = execute_run(line, *opened.parts, ingestion, options);
  return {};
}

/// What waits is shown, and exactly that is approved: what other files come to need in the meantime waits on.
Result<void> approve(CommandLine& line, const std::string& name, bool yes) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, name));
  TRY_ASSIGN(const auto waiting, opened.parts->history().waiting_for_approval(ingestion.id));
  RunOptions options;
  std::string shown;
  for (const WaitingFiles& group : waiting) {
    options.approved.push_back(group.changes);
    shown += fmt::format("  {} ({} file(s))\n", group.changes, group.files);
  }
  if (waiting.empty()) {
    line.print(line.flags.json ? nlohmann::json{{"approved", nlohmann::json::array()}}.dump(2) + "\n"
                               : fmt::format("Nothing of {} waits for approval\n", ingestion.name));
    return {};
  }
  const std::string what = fmt::format("Table {} is to be changed:\n{}", ingestion.table.text(), shown);
  if (!yes) TRY(ask_first(line, what, "Change it and load the files?", "Nothing was changed"));
  line.exit_code = execute_run(line, *opened.parts, ingestion, options);
  return {};
}

struct ForgetFlags {
  std::string ingestion;
  std::vector<std::string> files;
  bool all = false, yes = false;
};

Result<void> forget(CommandLine& line, const ForgetFlags& flags) {
  if (flags.files.empty() == !flags.all) return invalid_input("name the FILEs to forget, or use --all");
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, flags.ingestion));
  TRY_ASSIGN(const auto paths, absolute_uris(flags.files));
  TRY(check_named(opened.parts->history(), ingestion, paths, std::nullopt));
  const std::string what = flags.all ? "all files" : fmt::format("{} file(s)", paths.size());
  const std::string warning =
      ingestion.parquet
          ? fmt::format("Forgetting {} of {}: their objects stay below {}, and the next run converts the files again.", what,
                        ingestion.name, ingestion.parquet->prefix)
          : fmt::format(
                "Forgetting {} of {}: their rows stay in table {} and will be doubled by the next run unless they are removed first.", what,
                ingestion.name, ingestion.table.text());
  if (!flags.yes) TRY(ask_first(line, warning, " Go on?", " Nothing was forgotten"));
  TRY_ASSIGN(auto sink, opened.parts->open_sink(ingestion));
  Console console(stdout, stderr, line.verbosity(), line.flags.json, line.clock);
  Context context;
  context.stop = line.stop;
  Engine engine(opened.parts->engine_parts());
  TRY_ASSIGN(const int64_t count, engine.forget(ingestion, *sink, paths, flags.all, console, context));
  const nlohmann::json shown = {{"forgotten", count}, {"warnings", console.warnings()}};
  line.print(line.flags.json ? shown.dump(2) + "\n" : fmt::format("Forgot {} file(s)\n", count));
  return {};
}

}  // namespace

void add_run_commands(CLI::App& app, CommandLine& line) {
  auto* run_command = app.add_subcommand("run", "Run an ingestion of sluice.yaml or of the ledger");
  auto name = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  run_command->add_option("INGESTION", *name, "Name or id");
  run_command->add_flag("--all", *all, "Every ingestion, one after the other");
  auto no_wait = std::make_shared<bool>(false);
  run_command->add_flag("--no-wait", *no_wait, "Leave the run to a server that shares the ledger");
  run_command->callback([&line, name, all, no_wait] {
    if (auto done = run(line, *name, *all, *no_wait); !done) line.exit_code = line.usage(done.error());
  });

  auto* retry_command = app.add_subcommand("retry", "Load failed files again, now");
  auto retry_name = std::make_shared<std::string>();
  auto files = std::make_shared<std::vector<std::string>>();
  retry_command->add_option("INGESTION", *retry_name, "Name or id")->required();
  retry_command->add_option("FILE", *files, "Only these; all failed ones where left out");
  retry_command->callback([&line, retry_name, files] {
    if (auto done = retry(line, *retry_name, *files); !done) line.exit_code = line.usage(done.error());
  });

  auto* approve_command = app.add_subcommand("approve", "Make the changes of the table that files wait for, and load them");
  auto approve_name = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  approve_command->add_option("INGESTION", *approve_name, "Name or id")->required();
  approve_command->add_flag("--yes", *yes, "Do not ask");
  approve_command->callback([&line, approve_name, yes] {
    if (auto done = approve(line, *approve_name, *yes); !done) line.exit_code = line.fail(done.error());
  });

  auto* forget_command = app.add_subcommand("forget", "As if never seen: the next run loads them again; rows stay");
  auto flags = std::make_shared<ForgetFlags>();
  forget_command->add_option("INGESTION", flags->ingestion, "Name or id")->required();
  forget_command->add_option("FILE", flags->files, "Paths or URIs");
  forget_command->add_flag("--all", flags->all, "Every file, and what is known of the table");
  forget_command->add_flag("--yes", flags->yes, "Do not ask");
  forget_command->callback([&line, flags] {
    if (auto done = forget(line, *flags); !done) line.exit_code = line.fail(done.error());
  });
}

}  // namespace sluice
