// Runs that wait for a worker, and what decides when one may begin. The ledger decides, not the memory of a process: servers and command
// lines on several hosts share it. Thread-safe; errors as in work_ledger.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/ingestion.h"
#include "model/run.h"

namespace sluice {

struct RunRequest {
  RunId id;  ///< of the run to make; the same id again answers the run that it made, so that a repeated request makes one run
  IngestionId ingestion;
  Trigger trigger = Trigger::kManual;
  std::string options;           ///< JSON of what the run shall do, opaque to the ledger; kept with the run
  std::optional<Timestamp> due;  ///< the firing of the schedule that this is
  int64_t pending_max = 1000;    ///< waiting runs of the whole ledger; more are refused
};

enum class RequestOutcome {
  kMade,         ///< `run` is PENDING (or whatever became of it, where the id was asked for before)
  kBusy,         ///< `run` is the PENDING or RUNNING run of this ingestion
  kNotActive,    ///< the ingestion is PAUSED or DELETED
  kFiredBefore,  ///< somebody made the run of this firing, or the schedule changed after it
  kQueueFull,
};

struct RequestedRun {
  RequestOutcome outcome = RequestOutcome::kMade;
  std::optional<RunRecord> run;
};

/// A run with all that its worker needs.
struct TakenRun {
  RunRecord run;
  Ingestion ingestion;
  std::string options;
};

struct ScheduledIngestion {
  Ingestion ingestion;
  Timestamp from;  ///< the last firing, or when the schedule was set or the ingestion resumed: what is due comes after it
};

class RunQueue {
 public:
  virtual ~RunQueue() = default;

  /// Makes a PENDING run unless the ingestion has one that is PENDING or RUNNING; one whose holder is dead does not count (it becomes
  /// FAILED, as close_dead_runs does). All in one transaction, so that of two servers one gets kBusy. With `due` the schedule's `from`
  /// moves there in the same transaction. kNotFound: no such ingestion.
  virtual Result<RequestedRun> request_run(const RunRequest& request) = 0;

  /// The longest waiting run whose ingestion has no RUNNING run of a living holder: it is RUNNING now, `worker` holds it, and it began
  /// now. The ingestion may have been paused since (its run still goes). nullopt: none.
  virtual Result<std::optional<TakenRun>> take_run(const WorkerId& worker) = 0;

  /// PENDING: CANCELLED at once. RUNNING: its worker is asked to stop. kConflict: the run is over. kNotFound: no such run.
  virtual Result<RunRecord> cancel_run(const RunId& run) = 0;
  virtual Result<bool> cancel_requested(const RunId& run) = 0;

  virtual Result<int64_t> pending_runs() = 0;

  /// Ingestions of all tenants that have a RUNNING run or a live batch, deleted ones too: somebody is at work, or died.
  virtual Result<std::vector<Ingestion>> unfinished() = 0;
  /// ACTIVE ingestions of all tenants that have a schedule.
  virtual Result<std::vector<ScheduledIngestion>> scheduled() = 0;
};

}  // namespace sluice
