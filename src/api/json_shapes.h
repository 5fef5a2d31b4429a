// The JSON of runs, files, ingestions, tables and errors: one set of shapes for --json and the REST API (docs/reference/json.md).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "ledger/history.h"
#include "model/ingestion.h"
#include "model/run.h"
#include "pipeline/engine.h"
#include "pipeline/inventory.h"
#include "pipeline/verify.h"

namespace sluice {

nlohmann::json run_json(const RunRecord& run);
/// A run with what it could not load: run_json plus `files_found`, `files_not_ready`, `failures`, `waiting_for_approval`, `warnings`.
nlohmann::json report_json(const RunReport& report);
nlohmann::json dry_run_json(const DryRun& dry);
/// Every column of a file's present state.
nlohmann::json file_json(const FileRecord& file);
nlohmann::json attempt_json(const FileAttempt& attempt);
nlohmann::json load_json(const FileLoad& load);
nlohmann::json waiting_json(const std::vector<WaitingFiles>& waiting);
nlohmann::json counts_json(const FileCounts& counts);
nlohmann::json inventory_line_json(const InventoryLine& line);
/// `pending` includes those in progress, so that done + failed + skipped + pending = files.
nlohmann::json inventory_counts_json(const InventoryCounts& counts);
/// The counts of the lines, and of `members`.
nlohmann::json inventory_json(const Inventory& inventory);
nlohmann::json verification_json(const Verification& verification);
/// A loaded file as GET /ingestions/{id}/processed-files shows it.
nlohmann::json processed_file_json(const FileRecord& file);
/// The definition; for one made over the REST API also the body's source_config and the like. Secrets are left out, or "***".
nlohmann::json ingestion_json(const Ingestion& ingestion);
nlohmann::json schema_json_shape(const Schema& schema);
/// {"error": {"code", "message", "details": []}}
nlohmann::json error_json(const Error& error);

}  // namespace sluice
