// A run from the command line: executed, shown, turned into an exit code. `load`, `run` and `retry` share it.
#pragma once

#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace sluice {

/// How a command, or its part for one ingestion, ended.
struct Outcome {
  int exit_code = kExitDone;
  nlohmann::json document;  ///< with --json: the run, or the error; nothing was printed then
};

/// Runs the ingestion to its end (or to the stop); prints what came of it, unless --json asks for a document.
Outcome execute(const CommandLine& line, Assembly& parts, const Ingestion& ingestion, const RunOptions& options, int threads = 0);

/// The same, and prints the document, too; returns the exit code.
int execute_run(const CommandLine& line, Assembly& parts, const Ingestion& ingestion, const RunOptions& options, int threads = 0);

/// An error as the outcome of a command that could not begin (CommandLine::usage).
Outcome refused(const CommandLine& line, const Error& error);

}  // namespace sluice
