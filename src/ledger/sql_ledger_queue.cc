// Runs that wait for a worker.
#include <fmt/format.h>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

Result<std::optional<RunRecord>> find_run(SqlConnection& db, const RunId& run) {
  TRY_ASSIGN(auto rows, db.query(runs_where("id = ?"), run.text));
  return first_row(std::move(rows), run_from);
}

Result<ScheduledIngestion> scheduled_from(const SqlRows& row) {
  ScheduledIngestion scheduled;
  TRY_ASSIGN(scheduled.ingestion, ingestion_from(row));
  TRY_ASSIGN(scheduled.from, time_at(row, 3));
  return scheduled;
}

/// The longest waiting run whose ingestion has none that is RUNNING, with its options.
struct Waiting {
  RunId run;
  IngestionId ingestion;
  std::string options;
};
Result<std::vector<Waiting>> waiting_runs(SqlConnection& db) {
  TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT id, ingestion_id, options FROM runs WHERE status = 'PENDING' ORDER BY sequence{}",
                                             db.dialect().lock_free_rows)));
  std::vector<Waiting> waiting;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return waiting;
    waiting.push_back({RunId(rows.text(0)), IngestionId(rows.text(1)), rows.text(2)});
  }
}

}  // namespace

/// The run that keeps another of this ingestion from being made.
Result<std::optional<RunRecord>> SqlLedger::holding_slot(SqlConnection& db, const IngestionId& ingestion) {
  TRY(close_dead(db, ingestion));
  TRY_ASSIGN(auto rows, db.query(runs_where("ingestion_id = ? AND status IN ('PENDING', 'RUNNING') ORDER BY status = 'RUNNING' DESC, "
                                            "sequence LIMIT 1"),
                                 ingestion.text));
  return first_row(std::move(rows), run_from);
}

/// Why the run may not be made, other than that its slot is taken.
Result<std::optional<RequestOutcome>> SqlLedger::refusal(SqlConnection& db, const RunRequest& request) {
  TRY_ASSIGN(const auto status, db.query_text("SELECT status FROM ingestions WHERE id = ?", request.ingestion.text));
  if (!status) return fail(ErrorCode::kNotFound, fmt::format("no ingestion {}", request.ingestion.text));
  if (*status != "ACTIVE") return RequestOutcome::kNotActive;
  if (request.due) {
    TRY_ASSIGN(auto fired, db.query("SELECT schedule_from FROM ingestions WHERE id = ?", request.ingestion.text));
    TRY(fired.next());
    if (fired.time(0) >= request.due) return RequestOutcome::kFiredBefore;
  }
  TRY_ASSIGN(const auto pending, db.query_integer("SELECT count(*) FROM runs WHERE status = 'PENDING'"));
  if (pending.value_or(0) >= request.pending_max) return RequestOutcome::kQueueFull;
  return std::nullopt;
}

Result<RequestedRun> SqlLedger::request_run(const RunRequest& request) {
  return write("asking for a run", [&](SqlConnection& db) -> Result<RequestedRun> {
    // Of two servers that ask at once, one waits here for the other.
    TRY(db.query_integer(fmt::format("SELECT 1 FROM ingestions WHERE id = ?{}", db.dialect().lock_rows), request.ingestion.text));
    TRY_ASSIGN(auto before, find_run(db, request.id));
    if (before) return RequestedRun{RequestOutcome::kMade, std::move(before)};
    TRY_ASSIGN(auto holder, holding_slot(db, request.ingestion));
    TRY_ASSIGN(const auto refused, refusal(db, request));
    if (refused && *refused != RequestOutcome::kQueueFull) return RequestedRun{*refused, std::nullopt};
    if (holder) return RequestedRun{RequestOutcome::kBusy, std::move(holder)};
    if (refused) return RequestedRun{*refused, std::nullopt};
    const std::string now = now_text(db);
    TRY(db.execute(fmt::format("INSERT INTO runs (id, ingestion_id, sequence, trigger_type, status, holder, started_at, options) "
                               "VALUES (?, ?, {}, ?, 'PENDING', '', ?, ?)",
                               next_run_sequence()),
                   request.id.text, request.ingestion.text, to_string(request.trigger), now, request.options));
    if (request.due) {
      TRY(db.execute("UPDATE ingestions SET schedule_from = ?2 WHERE id = ?1", request.ingestion.text, to_text(*request.due)));
    }
    TRY_ASSIGN(auto made, find_run(db, request.id));
    return RequestedRun{RequestOutcome::kMade, std::move(made)};
  });
}

Result<std::optional<TakenRun>> SqlLedger::take_run(const WorkerId& worker) {
  // Most calls find nothing: they must not wait for the writers of other processes.
  TRY_ASSIGN(const int64_t pending, pending_runs());
  if (pending == 0) return std::nullopt;
  TRY(hold_lock(worker));
  return write("taking a run", [&](SqlConnection& db) -> Result<std::optional<TakenRun>> {
    TRY_ASSIGN(const auto waiting, waiting_runs(db));
    for (const Waiting& next : waiting) {
      TRY(close_dead(db, next.ingestion));
      TRY_ASSIGN(const auto running,
                 db.query_integer("SELECT count(*) FROM runs WHERE ingestion_id = ? AND status = 'RUNNING'", next.ingestion.text));
      if (running.value_or(0) > 0) continue;
      TRY(db.execute("UPDATE runs SET status = 'RUNNING', holder = ?2, started_at = ?3 WHERE id = ?1", next.run.text, worker.text,
                     now_text(db)));
      TakenRun taken{.options = next.options};
      TRY_ASSIGN(auto run, find_run(db, next.run));
      taken.run = *std::move(run);
      TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM ingestions WHERE id = ?", kIngestionColumns), next.ingestion.text));
      TRY_ASSIGN(auto ingestion, first_row(std::move(rows), ingestion_from));
      if (!ingestion) return fail(ErrorCode::kCorruption, fmt::format("run {} has no ingestion", next.run.text));
      taken.ingestion = *std::move(ingestion);
      return taken;
    }
    return std::nullopt;
  });
}

Result<RunRecord> SqlLedger::cancel_run(const RunId& run) {
  return write("cancelling a run", [&](SqlConnection& db) -> Result<RunRecord> {
    TRY(db.query_integer(fmt::format("SELECT 1 FROM runs WHERE id = ?{}", db.dialect().lock_rows), run.text));
    TRY_ASSIGN(auto found, find_run(db, run));
    if (!found) return fail(ErrorCode::kNotFound, fmt::format("no run {}", run.text));
    if (found->state == RunState::kPending) {
      TRY(
          db.execute("UPDATE runs SET status = 'CANCELLED', cancel_requested = TRUE, completed_at = ?2, "
                     "error = 'cancelled before it began' WHERE id = ?1",
                     run.text, now_text(db)));
    } else if (found->state == RunState::kRunning) {
      TRY(db.execute("UPDATE runs SET cancel_requested = TRUE WHERE id = ?1", run.text));
    } else {
      return fail(ErrorCode::kConflict, fmt::format("run {} is {}", run.text, to_string(found->state)));
    }
    TRY_ASSIGN(found, find_run(db, run));
    return *std::move(found);
  });
}

Result<bool> SqlLedger::cancel_requested(const RunId& run) {
  return read("looking for a request to cancel", [&](SqlConnection& db) -> Result<bool> {
    TRY_ASSIGN(const auto requested, db.query_integer("SELECT cancel_requested FROM runs WHERE id = ?", run.text));
    return requested.value_or(0) != 0;
  });
}

Result<int64_t> SqlLedger::pending_runs() {
  return read("counting waiting runs", [&](SqlConnection& db) -> Result<int64_t> {
    TRY_ASSIGN(const auto count, db.query_integer("SELECT count(*) FROM runs WHERE status = 'PENDING'"));
    return count.value_or(0);
  });
}

Result<std::vector<Ingestion>> SqlLedger::unfinished() {
  return read("looking for unfinished work", [&](SqlConnection& db) -> Result<std::vector<Ingestion>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM ingestions WHERE id IN "
                                               "(SELECT ingestion_id FROM runs WHERE status = 'RUNNING' UNION SELECT ingestion_id "
                                               "FROM batches WHERE state IN ('STAGING', 'PREPARED', 'WITHDRAWING')) ORDER BY id",
                                               kIngestionColumns)));
    return all_rows(std::move(rows), ingestion_from);
  });
}

Result<std::vector<ScheduledIngestion>> SqlLedger::scheduled() {
  return read("looking for schedules", [&](SqlConnection& db) -> Result<std::vector<ScheduledIngestion>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {}, schedule_from FROM ingestions WHERE status = 'ACTIVE' AND schedule <> '' "
                                               "ORDER BY id",
                                               kIngestionColumns)));
    return all_rows(std::move(rows), scheduled_from);
  });
}

}  // namespace sluice
