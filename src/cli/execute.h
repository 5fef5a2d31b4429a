// A run from the command line: executed, shown, turned into an exit code. `load`, `run` and `retry` share it.
#pragma once

#include "cli/command.h"

namespace sluice {

/// Runs the ingestion to its end (or to the stop) and prints what came of it; returns the exit code.
int execute_run(const CommandLine& line, Assembly& parts, const Ingestion& ingestion, const RunOptions& options, int threads = 0);

}  // namespace sluice
