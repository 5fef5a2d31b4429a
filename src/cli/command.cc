#include "cli/command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <optional>
#include <system_error>

#include "api/json_shapes.h"
#include "config/fields.h"
#include "config/sealing.h"
#include "config/validate.h"

namespace sluice {
namespace {

constexpr const char* kVersion = "sluice 0.1.0";
constexpr const char* kConfigName = "sluice.yaml";

void add_global_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("--home", flags.home, "Folder of ledger and catalog")->envname("SLUICE_HOME")->capture_default_str();
  app.add_option("--key-file", flags.key_file, "Key that seals source secrets (default: sluice.key in home)")->envname("SLUICE_KEY_FILE");
  app.add_option("--config", flags.config, "Configuration file (default: ./sluice.yaml where there is one)");
  app.add_option("--ledger", flags.ledger, "URI of the ledger: sqlite:PATH or postgresql://user@host/database")->envname("SLUICE_LEDGER");
  app.add_option("--env", flags.profile, "Profile of the configuration file");
  app.add_flag("--json", flags.json, "Answer in JSON");
  app.add_flag("-q,--quiet", flags.quiet, "Errors only");
  app.add_flag("-v,--verbose", flags.verbose, "One line per file");
  app.fallthrough();
}

/// Until standard input has something to read, or a signal came.
void wait_for_input(const std::stop_token& stop) {
  const int stopped = eventfd(0, EFD_CLOEXEC);
  {
    const std::stop_callback wake(stop, [stopped] { eventfd_write(stopped, 1); });
    pollfd either[] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}, {.fd = stopped, .events = POLLIN, .revents = 0}};
    while (poll(either, 2, -1) < 0 && errno == EINTR) continue;
  }
  close(stopped);
}

/// What stands on a command line that could not be parsed.
bool asks_for_json(int argc, char** argv) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

/// What stands where a command should: its name and those there are. nullopt: something else is wrong with the call.
std::optional<std::string> unknown_command(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::vector<std::string_view> names;
  for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  const std::vector<std::string> left = app.remaining(/*recurse=*/true);
  const auto word = std::ranges::find_if(left, [](const std::string& text) { return !text.starts_with('-'); });
  if (names.empty() || word == left.end()) return std::nullopt;
  const std::string meant = did_you_mean(*word, names);
  return fmt::format("\"{}\" is no command of {}{} There is: {}", *word, at->get_name(), meant.empty() ? "." : meant,
                     fmt::join(names, ", "));
}

std::string names_of(const std::vector<Ingestion>& known) {
  std::vector<std::string> names;
  for (const Ingestion& ingestion : known) names.push_back(ingestion.name);
  return names.empty() ? "there is none yet" : fmt::format("there is: {}", fmt::join(names, ", "));
}

}  // namespace

Verbosity CommandLine::verbosity() const {
  if (flags.quiet) return Verbosity::kQuiet;
  return flags.verbose ? Verbosity::kVerbose : Verbosity::kNormal;
}

std::string CommandLine::key_file() const { return flags.key_file.empty() ? flags.home + "/sluice.key" : flags.key_file; }

int CommandLine::fail(const Error& error) const {
  if (flags.json) {
    print(error_document(error).dump(2) + "\n");
  } else {
    Console(stdout, stderr, verbosity(), false, clock).error(error.message);
  }
  return exit_code_of(error);
}

int CommandLine::usage(const Error& error) const {
  fail(error);
  return usage_code_of(error);
}

void CommandLine::print(const std::string& text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

nlohmann::json error_document(const Error& error) {
  Error shown = error;
  shown.message = without_secrets(std::move(shown.message));
  return error_json(shown);
}

int usage_code_of(const Error& error) {
  const int code = exit_code_of(error);
  const bool no_fault_of_the_command = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kCorruption;
  return code == kExitInterrupted || no_fault_of_the_command ? code : kExitUsage;
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kNotFound: return kExitUsage;
    case ErrorCode::kCancelled: return kExitInterrupted;
    default: return kExitFailed;
  }
}

int exit_code_of(const RunReport& report) {
  if (report.disposed.error && report.run.state == RunState::kCompleted) return exit_code_of(*report.disposed.error);
  switch (report.run.state) {
    case RunState::kFailed: return kExitFailed;
    case RunState::kCancelled: return kExitInterrupted;
    default: return report.run.metrics.files_failed > 0 ? kExitSomeFailed : kExitDone;
  }
}

Result<Config> read_configuration(const CommandLine& line, const std::string& warehouse) {
  ConfigOptions options;
  options.home = line.flags.home;
  options.profile = line.flags.profile;
  options.ledger = line.flags.ledger;
  if (!warehouse.empty()) options.warehouse = warehouse;
  if (!line.flags.config.empty()) return read_config(line.flags.config, options);
  if (access(kConfigName, F_OK) == 0) return read_config(kConfigName, options);
  if (!options.profile.empty()) {
    return invalid_input(fmt::format("--env {0}: profiles stand in {1}, and there is none in this folder; --config names another file",
                                     options.profile, kConfigName));
  }
  return default_config(options);
}

Result<Opened> open_parts(const CommandLine& line, LedgerMode mode) {
  Opened opened;
  TRY_ASSIGN(opened.config, read_configuration(line));
  Console console(stdout, stderr, line.verbosity(), /*silent=*/false, line.clock);
  for (const std::string& warning : opened.config.warnings) console.warning(warning);
  TRY_ASSIGN(opened.parts, line.assemble(opened.config, mode));
  return opened;
}

Result<void> ask_first(const CommandLine& line, const std::string& what, std::string_view question, std::string_view otherwise) {
  std::string answer;
  if (isatty(STDIN_FILENO)) {
    std::cerr << what << question << " [y/N] " << std::flush;
    wait_for_input(line.stop);
    if (line.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted at the question; nothing was changed");
    std::getline(std::cin, answer);
  }
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return invalid_input(fmt::format("{}{}; --yes goes on without asking", what, otherwise));
}

Result<std::string> read_standard_input(const CommandLine& line, size_t bytes_max) {
  constexpr size_t kChunkBytes = 64 * 1024;
  std::string text;
  for (;;) {
    wait_for_input(line.stop);
    if (line.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted before standard input had ended; nothing was done");
    const size_t had = text.size();
    text.resize(had + kChunkBytes);
    const ssize_t count = read(STDIN_FILENO, text.data() + had, kChunkBytes);
    text.resize(had + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) return text;
    if (count < 0 && errno != EINTR && errno != EAGAIN)
      return invalid_input(fmt::format("standard input cannot be read: {}", std::generic_category().message(errno)));
    if (text.size() > bytes_max) return invalid_input(fmt::format("standard input: more than {} bytes", bytes_max));
  }
}

Result<Ingestion> find_ingestion(Opened& opened, const std::string& name) {
  TRY_ASSIGN(auto known, opened.parts->registry().find_ingestion("default", name));
  if (auto defined = opened.config.ingestion(name)) {
    settle_start_from(*defined, known, opened.parts->clock().now());
    return opened.parts->registry().put_ingestion(*defined);
  }
  if (known) return *std::move(known);
  TRY_ASSIGN(const auto all, opened.parts->registry().ingestions("default"));
  return fail(ErrorCode::kNotFound, fmt::format("no ingestion \"{}\" in sluice.yaml or the ledger; {}", name, names_of(all)));
}

Result<Ingestion> with_secrets(const CommandLine& line, Ingestion ingestion) {
  if (ingestion.sealed.empty()) return ingestion;
  TRY_ASSIGN(const SealingKey key, SealingKey::load_or_make(line.key_file()));
  TRY(open_sources(key, ingestion));
  return ingestion;
}

int run_command_line(int argc, char** argv, Assemble assemble, Serve serve, StoreProvider& stores, Clock& clock, std::stop_token stop) {
  CLI::App app{"Sluice loads files into Apache Iceberg tables, each exactly once.", "sluice"};
  CommandLine line{{}, std::move(assemble), std::move(serve), stores, clock, stop};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(0, 1);
  add_global_flags(app, line.flags);
  add_load_command(app, line);
  add_run_commands(app, line);
  add_show_commands(app, line);
  add_verify_command(app, line);
  add_table_commands(app, line);
  add_service_commands(app, line);
  add_ledger_commands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool shows_help = error.get_exit_code() == 0;
    const auto unknown = shows_help ? std::nullopt : unknown_command(app);
    if (!shows_help && (unknown || asks_for_json(argc, argv))) {
      line.flags.json = asks_for_json(argc, argv);
      return line.usage(Error{ErrorCode::kInvalidInput, fmt::format("{} (--help shows what there is)", unknown.value_or(error.what()))});
    }
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  if (app.get_subcommands().empty()) {
    if (line.flags.json) return line.usage(Error{ErrorCode::kInvalidInput, "no command given (--help shows what there is)"});
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  return line.exit_code;
}

}  // namespace sluice
