// What can be known to be wrong before there is a run: then the answer is an exit code and a message, and nothing has changed.
#pragma once

#include "cli/command.h"

namespace sluice {

/// The contract can be read, and columns by definition fit it. An Error: as usage errors are.
Result<void> check_contract(const Ingestion& ingestion);

/// check_contract(), and where the table is still to be made, in a catalog on SQLite: its folder holds no table of another catalog, and the
/// columns of the contract allow its partitions. Writes nothing, no ledger or catalog either.
Result<void> check_before_run(const CommandLine& line, const Config& config, const Ingestion& ingestion);

/// The same of an ingestion that sluice.yaml defines; any other was looked at when it was made.
Result<void> check_defined(const CommandLine& line, const Config& config, const std::string& name);

}  // namespace sluice
