// The ledger's small tables: ingestions and runs. Thread-safe; errors as in work_ledger.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "model/ingestion.h"
#include "model/run.h"

namespace sluice {

class Registry {
 public:
  virtual ~Registry() = default;
  /// Makes the ingestion, or updates the one of that id, or else the one of the same tenant and name that is managed by
  /// `ingestion.managed_by` cli or file; returns it with its id. An id that nobody has is taken as it is. Status and last firing of one
  /// that exists stay as they are; another schedule or time zone begins now. kConflict: it was deleted.
  virtual Result<Ingestion> put_ingestion(const Ingestion& ingestion) = 0;
  /// By id (a tombstone, too: status DELETED) or by name; of several of that name the one of the command line or file, else the newest.
  /// An empty tenant: of any.
  virtual Result<std::optional<Ingestion>> find_ingestion(std::string_view tenant, std::string_view name_or_id) = 0;
  /// By name; without tombstones. An empty tenant: of all.
  virtual Result<std::vector<Ingestion>> ingestions(std::string_view tenant) = 0;
  /// ACTIVE or PAUSED; a schedule begins anew when it becomes ACTIVE again. The same status: no change. kConflict: it was deleted.
  virtual Result<void> set_status(const IngestionId& id, std::string_view status) = 0;
  /// Leaves a tombstone with the target, without sealed secrets; PENDING runs become CANCELLED. kConflict while a live batch exists
  /// (rule F) or a run of a living worker is RUNNING.
  virtual Result<void> delete_ingestion(const IngestionId& id) = 0;

  virtual Result<RunRecord> start_run(const IngestionId& ingestion, Trigger trigger, const WorkerId& holder) = 0;
  /// Counts that do not come from batches: files_unchanged; and schema changes as they happen.
  virtual Result<void> add_to_run(const RunId& run, const RunMetrics& more, const std::vector<std::string>& schema_changes) = 0;
  virtual Result<RunRecord> finish_run(const RunId& run, RunState state, std::string_view error) = 0;
  /// RUNNING runs whose holder is dead become FAILED "the process died"; their batches are recovered by whoever comes next.
  virtual Result<int64_t> close_dead_runs(const IngestionId& ingestion) = 0;
};

}  // namespace sluice
