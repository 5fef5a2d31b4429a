// What every command shares: global flags, the way parts are opened, output and exit codes. See docs/reference/cli.md.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/console.h"
#include "config/assembly.h"
#include "config/serve_options.h"

namespace CLI {
class App;
}

namespace sluice {

enum ExitCode : int {
  kExitDone = 0,        ///< all loaded, or nothing to do
  kExitFailed = 1,      ///< the run failed
  kExitUsage = 2,       ///< wrong usage or configuration
  kExitSomeFailed = 3,  ///< finished, but some files failed
  kExitInterrupted = 130,
};

struct GlobalFlags {
  std::string home = ".sluice";
  std::string key_file;  ///< of the key that seals source secrets; empty: sluice.key in home
  std::string config;    ///< path of sluice.yaml; empty: ./sluice.yaml where there is one
  std::string profile;
  std::string ledger;  ///< URI; empty: as the configuration says
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

/// The service, until it is told to stop (service/server.h).
using Serve = std::function<Result<void>(const Config& config, const ServeOptions& options, const OpenParts& open, std::stop_token stop)>;

/// The surroundings of one call of the program.
struct CommandLine {
  GlobalFlags flags;
  Assemble assemble;
  Serve serve;
  StoreProvider& stores;
  Clock& clock;
  std::stop_token stop;
  int exit_code = kExitDone;

  Verbosity verbosity() const;
  std::string key_file() const;
  /// Prints the error (as JSON with --json) and returns its exit code.
  int fail(const Error& error) const;
  /// A command that could not begin: wrong usage, exit code 2, unless a ledger or catalog did not answer or is damaged (1), or
  /// a stop came first (130).
  int usage(const Error& error) const;
  void print(const std::string& text) const;
};

/// What --json shows of an error, without secrets.
nlohmann::json error_document(const Error& error);

int exit_code_of(const Error& error);
/// Of a command that could not begin: CommandLine::usage.
int usage_code_of(const Error& error);
int exit_code_of(const RunReport& report);

/// Each adds its subcommands to `app`; a parsed subcommand sets line.exit_code.
void add_load_command(CLI::App& app, CommandLine& line);
void add_run_commands(CLI::App& app, CommandLine& line);      // run, retry, approve, forget
void add_show_commands(CLI::App& app, CommandLine& line);     // status, files, runs, run-info
void add_verify_command(CLI::App& app, CommandLine& line);    // verify
void add_table_commands(CLI::App& app, CommandLine& line);    // table, check
void add_service_commands(CLI::App& app, CommandLine& line);  // serve, token
void add_ledger_commands(CLI::App& app, CommandLine& line);   // restore, rebuild

/// `status INGESTION --inventory`.
Result<void> show_inventory(CommandLine& line, const std::string& name);

/// Configuration (sluice.yaml or defaults), opened parts and the ingestion a command names.
struct Opened {
  Config config;
  std::unique_ptr<Assembly> parts;
};
/// sluice.yaml (--config, or ./sluice.yaml), or the defaults. `warehouse`: of the catalog `local`, where no file defines catalogs.
Result<Config> read_configuration(const CommandLine& line, const std::string& warehouse = "");
Result<Opened> open_parts(const CommandLine& line, LedgerMode mode);
/// By name or id: from the ledger, or from sluice.yaml (then it is registered). kNotFound lists the names there are.
Result<Ingestion> find_ingestion(Opened& opened, const std::string& name);

/// Says what would happen and asks on the terminal whether to go on. kInvalidInput: not yes, or no terminal to ask on; the message is
/// `what`, then `otherwise` ("Nothing was changed") and that --yes does not ask. kCancelled: a signal came instead of an answer.
Result<void> ask_first(const CommandLine& line, const std::string& what, std::string_view question, std::string_view otherwise);

/// Standard input to its end. kCancelled: a signal came first; kInvalidInput: it cannot be read, or holds more than `bytes_max` bytes.
Result<std::string> read_standard_input(const CommandLine& line, size_t bytes_max);

/// With the secrets of its sources, where it was made over the REST API: needs the sealing key.
Result<Ingestion> with_secrets(const CommandLine& line, Ingestion ingestion);

/// Parses argv, runs one command, returns the exit code of the process.
int run_command_line(int argc, char** argv, Assemble assemble, Serve serve, StoreProvider& stores, Clock& clock, std::stop_token stop);

}  // namespace sluice
