// Runs that wait for a worker.
#include <fmt/format.h>

#include "ledger/sqlite_ledger.h"
#include "ledger/sqlite_rows.h"

namespace sluice {
namespace {

std::string runs_where(std::string_view condition) { return fmt::format("SELECT {} FROM runs WHERE {}", kRunColumns, condition); }

Result<std::optional<RunRecord>> find_run(SqliteConnection& connection, const RunId& run) {
  TRY_ASSIGN(auto rows, connection.query(runs_where("id = ?"), run.text));
  return first_row(std::move(rows), run_from);
}

Result<ScheduledIngestion> scheduled_from(const SqliteRows& row) {
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
Result<std::vector<Waiting>> waiting_runs(SqliteConnection& connection) {
  TRY_ASSIGN(auto rows, connection.query("SELECT id, ingestion_id, options FROM runs WHERE status = 'PENDING' ORDER BY sequence"));
  std::vector<Waiting> waiting;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return waiting;
    waiting.push_back({RunId(rows.text(0)), IngestionId(rows.text(1)), rows.text(2)});
  }
}

}  // namespace

/// The run that keeps another of this ingestion from being made.
Result<std::optional<RunRecord>> SqliteLedger::holding_slot(const IngestionId& ingestion) {
  TRY(close_dead(ingestion));
  TRY_ASSIGN(auto rows, writer_->query(runs_where("ingestion_id = ? AND status IN ('PENDING', 'RUNNING') ORDER BY status = 'RUNNING' DESC, "
                                                  "sequence LIMIT 1"),
                                       ingestion.text));
  return first_row(std::move(rows), run_from);
}

/// Why the run may not be made, other than that its slot is taken.
Result<std::optional<RequestOutcome>> SqliteLedger::refusal(const RunRequest& request) {
  TRY_ASSIGN(const auto status, writer_->query_text("SELECT status FROM ingestions WHERE id = ?", request.ingestion.text));
  if (!status) return fail(ErrorCode::kNotFound, fmt::format("no ingestion {}", request.ingestion.text));
  if (*status != "ACTIVE") return RequestOutcome::kNotActive;
  if (request.due) {
    TRY_ASSIGN(const auto fired, writer_->query_text("SELECT schedule_from FROM ingestions WHERE id = ?", request.ingestion.text));
    if (fired.value_or("") >= to_text(*request.due)) return RequestOutcome::kFiredBefore;
  }
  TRY_ASSIGN(const auto pending, writer_->query_integer("SELECT count(*) FROM runs WHERE status = 'PENDING'"));
  if (pending.value_or(0) >= request.pending_max) return RequestOutcome::kQueueFull;
  return std::nullopt;
}

Result<RequestedRun> SqliteLedger::request_run(const RunRequest& request) {
  return write("asking for a run", [&]() -> Result<RequestedRun> {
    TRY_ASSIGN(auto before, find_run(*writer_, request.id));
    if (before) return RequestedRun{RequestOutcome::kMade, std::move(before)};
    TRY_ASSIGN(auto holder, holding_slot(request.ingestion));
    TRY_ASSIGN(const auto refused, refusal(request));
    if (refused && *refused != RequestOutcome::kQueueFull) return RequestedRun{*refused, std::nullopt};
    if (holder) return RequestedRun{RequestOutcome::kBusy, std::move(holder)};
    if (refused) return RequestedRun{*refused, std::nullopt};
    const std::string now = now_text();
    TRY(
        writer_->execute("INSERT INTO runs (id, ingestion_id, sequence, trigger_type, status, holder, started_at, options) "
                         "VALUES (?, ?, (SELECT COALESCE(max(sequence), 0) + 1 FROM runs), ?, 'PENDING', '', ?, ?)",
                         request.id.text, request.ingestion.text, to_string(request.trigger), now, request.options));
    if (request.due) {
      TRY(writer_->execute("UPDATE ingestions SET schedule_from = ?2 WHERE id = ?1", request.ingestion.text, to_text(*request.due)));
    }
    TRY_ASSIGN(auto made, find_run(*writer_, request.id));
    return RequestedRun{RequestOutcome::kMade, std::move(made)};
  });
}

Result<std::optional<TakenRun>> SqliteLedger::take_run(const WorkerId& worker) {
  // Most calls find nothing: they must not wait for the writers of other processes.
  TRY_ASSIGN(const int64_t pending, pending_runs());
  if (pending == 0) return std::nullopt;
  TRY(hold_lock(worker));
  return write("taking a run", [&]() -> Result<std::optional<TakenRun>> {
    TRY_ASSIGN(const auto waiting, waiting_runs(*writer_));
    for (const Waiting& next : waiting) {
      TRY(close_dead(next.ingestion));
      TRY_ASSIGN(const auto running,
                 writer_->query_integer("SELECT count(*) FROM runs WHERE ingestion_id = ? AND status = 'RUNNING'", next.ingestion.text));
      if (running.value_or(0) > 0) continue;
      TRY(writer_->execute("UPDATE runs SET status = 'RUNNING', holder = ?2, started_at = ?3 WHERE id = ?1", next.run.text, worker.text,
                           now_text()));
      TakenRun taken{.options = next.options};
      TRY_ASSIGN(auto run, find_run(*writer_, next.run));
      taken.run = *std::move(run);
      TRY_ASSIGN(auto rows, writer_->query(fmt::format("SELECT {} FROM ingestions WHERE id = ?", kIngestionColumns), next.ingestion.text));
      TRY_ASSIGN(auto ingestion, first_row(std::move(rows), ingestion_from));
      if (!ingestion) return fail(ErrorCode::kCorruption, fmt::format("run {} has no ingestion", next.run.text));
      taken.ingestion = *std::move(ingestion);
      return taken;
    }
    return std::nullopt;
  });
}

Result<RunRecord> SqliteLedger::cancel_run(const RunId& run) {
  return write("cancelling a run", [&]() -> Result<RunRecord> {
    TRY_ASSIGN(auto found, find_run(*writer_, run));
    if (!found) return fail(ErrorCode::kNotFound, fmt::format("no run {}", run.text));
    if (found->state == RunState::kPending) {
      TRY(
          writer_->execute("UPDATE runs SET status = 'CANCELLED', cancel_requested = 1, completed_at = ?2, "
                           "error = 'cancelled before it began' WHERE id = ?1",
                           run.text, now_text()));
    } else if (found->state == RunState::kRunning) {
      TRY(writer_->execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?1", run.text));
    } else {
      return fail(ErrorCode::kConflict, fmt::format("run {} is {}", run.text, to_string(found->state)));
    }
    TRY_ASSIGN(found, find_run(*writer_, run));
    return *std::move(found);
  });
}

Result<bool> SqliteLedger::cancel_requested(const RunId& run) {
  return read("looking for a request to cancel", [&]() -> Result<bool> {
    TRY_ASSIGN(const auto requested, reader_->query_integer("SELECT cancel_requested FROM runs WHERE id = ?", run.text));
    return requested.value_or(0) != 0;
  });
}

Result<int64_t> SqliteLedger::pending_runs() {
  return read("counting waiting runs", [&]() -> Result<int64_t> {
    TRY_ASSIGN(const auto count, reader_->query_integer("SELECT count(*) FROM runs WHERE status = 'PENDING'"));
    return count.value_or(0);
  });
}

Result<std::vector<Ingestion>> SqliteLedger::unfinished() {
  return read("looking for unfinished work", [&]() -> Result<std::vector<Ingestion>> {
    TRY_ASSIGN(auto rows, reader_->query(fmt::format("SELECT {} FROM ingestions WHERE id IN "
                                                     "(SELECT ingestion_id FROM runs WHERE status = 'RUNNING' UNION SELECT ingestion_id "
                                                     "FROM batches WHERE state IN ('STAGING', 'PREPARED', 'WITHDRAWING')) ORDER BY id",
                                                     kIngestionColumns)));
    return all_rows(std::move(rows), ingestion_from);
  });
}

Result<std::vector<ScheduledIngestion>> SqliteLedger::scheduled() {
  return read("looking for schedules", [&]() -> Result<std::vector<ScheduledIngestion>> {
    TRY_ASSIGN(auto rows, reader_->query(fmt::format("SELECT {}, schedule_from FROM ingestions WHERE status = 'ACTIVE' AND schedule <> '' "
                                                     "AND schedule_from <> '' ORDER BY id",
                                                     kIngestionColumns)));
    return all_rows(std::move(rows), scheduled_from);
  });
}

}  // namespace sluice
