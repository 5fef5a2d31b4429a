// Ingestions and runs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

constexpr std::string_view kByLabel = "managed_by IN ('cli', 'file')";

Result<RunRecord> run_of(SqlConnection& connection, const RunId& run) {
  TRY_ASSIGN(auto rows, connection.query(runs_where("id = ?"), run.text));
  TRY_ASSIGN(auto record, first_row(std::move(rows), run_from));
  if (!record) return fail(ErrorCode::kNotFound, fmt::format("no run {}", run.text));
  return *std::move(record);
}

}  // namespace

/// The row that this definition updates: by id, else by label.
Result<std::optional<std::string>> SqlLedger::id_of_label(SqlConnection& db, const Ingestion& ingestion) {
  if (!ingestion.id.empty()) return db.query_text("SELECT id FROM ingestions WHERE id = ?", ingestion.id.text);
  if (ingestion.managed_by == "api") return std::nullopt;
  return db.query_text(fmt::format("SELECT id FROM ingestions WHERE tenant = ? AND name = ? AND status <> 'DELETED' AND {}", kByLabel),
                       ingestion.tenant, ingestion.name);
}

Result<Ingestion> SqlLedger::put_ingestion(const Ingestion& ingestion) {
  auto stored = try_put_ingestion(ingestion);
  // Another process made the same label at the same moment: now it is there to be updated.
  if (!stored && stored.error().code == ErrorCode::kConflict) return try_put_ingestion(ingestion);
  return stored;
}

Result<Ingestion> SqlLedger::try_put_ingestion(const Ingestion& ingestion) {
  return write("storing an ingestion", [&](SqlConnection& db) -> Result<Ingestion> {
    Ingestion stored = ingestion;
    TRY_ASSIGN(const auto known, id_of_label(db, ingestion));
    if (!known && ingestion.id.empty()) stored.id = IngestionId(new_uuid());
    if (known) {
      stored.id = IngestionId(*known);
      // A new definition neither wakes an ingestion that somebody paused nor brings back one that somebody deleted.
      TRY_ASSIGN(const auto status, db.query_text("SELECT status FROM ingestions WHERE id = ?", *known));
      stored.status = status.value_or(stored.status);
      if (stored.status == "DELETED") return fail(ErrorCode::kConflict, fmt::format("ingestion {} was deleted", *known));
    }
    TRY(db.execute(
        "INSERT INTO ingestions (id, tenant, name, status, managed_by, table_name, definition, sealed, schedule, timezone, schedule_from, "
        "created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9, ?10, ?11, ?8, ?8, ?8) ON CONFLICT (id) DO UPDATE SET name = ?3, "
        "managed_by = ?5, table_name = ?6, definition = ?7, sealed = ?9, schedule_from = CASE WHEN ingestions.schedule = ?10 AND "
        "ingestions.timezone = ?11 "
        "THEN ingestions.schedule_from ELSE ?8 END, schedule = ?10, timezone = ?11, updated_at = ?8",
        stored.id.text, stored.tenant, stored.name, stored.status, stored.managed_by, stored.target_text(), to_json(stored), now_text(db),
        stored.sealed, stored.schedule, stored.timezone));
    return stored;
  });
}

Result<std::optional<Ingestion>> SqlLedger::find_ingestion(std::string_view tenant, std::string_view name_or_id) {
  return read("looking for an ingestion", [&](SqlConnection& db) -> Result<std::optional<Ingestion>> {
    // An id first; then the label; then the newest of that name that the REST API made.
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM ingestions WHERE (?1 = '' OR tenant = ?1) "
                                               "AND (id = ?2 OR (name = ?2 AND status <> 'DELETED')) "
                                               "ORDER BY id = ?2 DESC, {} DESC, created_at DESC, id DESC LIMIT 1",
                                               kIngestionColumns, kByLabel),
                                   tenant, name_or_id));
    return first_row(std::move(rows), ingestion_from);
  });
}

Result<std::vector<Ingestion>> SqlLedger::ingestions(std::string_view tenant) {
  return read("listing ingestions", [&](SqlConnection& db) -> Result<std::vector<Ingestion>> {
    TRY_ASSIGN(auto rows,
               db.query(fmt::format("SELECT {} FROM ingestions WHERE (?1 = '' OR tenant = ?1) AND status <> 'DELETED' ORDER BY name, id",
                                    kIngestionColumns),
                        tenant));
    return all_rows(std::move(rows), ingestion_from);
  });
}

Result<void> SqlLedger::set_status(const IngestionId& id, std::string_view status) {
  return write("changing an ingestion's status", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const auto now, db.query_text(fmt::format("SELECT status FROM ingestions WHERE id = ?{}", db.dialect().lock_rows), id.text));
    if (!now) return fail(ErrorCode::kNotFound, fmt::format("no ingestion {}", id.text));
    if (*now == status) return {};
    if (*now == "DELETED") return fail(ErrorCode::kConflict, fmt::format("ingestion {} was deleted", id.text));
    TRY(
        db.execute("UPDATE ingestions SET status = ?2, updated_at = ?3, "
                   "schedule_from = CASE WHEN ?2 = 'ACTIVE' THEN ?3 ELSE schedule_from END WHERE id = ?1",
                   id.text, status, now_text(db)));
    return {};
  });
}

Result<void> SqlLedger::delete_ingestion(const IngestionId& id) {
  return write("deleting an ingestion", [&](SqlConnection& db) -> Result<void> {
    TRY(refuse_if_live(db, id, "delete the ingestion"));
    TRY(close_dead(db, id));
    TRY_ASSIGN(const auto running,
               db.query_text("SELECT id FROM runs WHERE ingestion_id = ? AND status = 'RUNNING' ORDER BY sequence LIMIT 1", id.text));
    if (running)
      return fail(ErrorCode::kConflict, fmt::format("cannot delete the ingestion while run {} is RUNNING: cancel it first", *running));
    const std::string now = now_text(db);
    TRY(
        db.execute("UPDATE runs SET status = 'CANCELLED', completed_at = ?2, error = 'the ingestion was deleted' "
                   "WHERE ingestion_id = ?1 AND status = 'PENDING'",
                   id.text, now));
    TRY_ASSIGN(const int64_t changed,
               db.execute("UPDATE ingestions SET status = 'DELETED', sealed = '', deleted_at = COALESCE(deleted_at, ?2), "
                          "updated_at = ?2 WHERE id = ?1",
                          id.text, now));
    if (changed == 0) return fail(ErrorCode::kNotFound, fmt::format("no ingestion {}", id.text));
    TRY(db.execute("DELETE FROM object_keys WHERE ingestion_id = ?", id.text));
    return {};
  });
}

Result<RunRecord> SqlLedger::start_run(const IngestionId& ingestion, Trigger trigger, const WorkerId& holder) {
  TRY(hold_lock(holder));
  return write("starting a run", [&](SqlConnection& db) -> Result<RunRecord> {
    const RunId id(new_uuid());
    TRY(db.execute(fmt::format("INSERT INTO runs (id, ingestion_id, sequence, trigger_type, status, holder, started_at) "
                               "VALUES (?, ?, {}, ?, 'RUNNING', ?, ?)",
                               next_run_sequence()),
                   id.text, ingestion.text, to_string(trigger), holder.text, now_text(db)));
    return run_of(db, id);
  });
}

Result<void> SqlLedger::add_to_run(const RunId& run, const RunMetrics& more, const std::vector<std::string>& schema_changes) {
  return write("adding to a run", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const int64_t changed,
               db.execute("UPDATE runs SET files_processed = files_processed + ?2, files_failed = files_failed + ?3, "
                          "files_skipped = files_skipped + ?4, files_unchanged = files_unchanged + ?5, "
                          "records_written = records_written + ?6, rows_rescued = rows_rescued + ?7, "
                          "rows_rejected = rows_rejected + ?8, bytes_processed = bytes_processed + ?9 WHERE id = ?1",
                          run.text, more.files_processed, more.files_failed, more.files_skipped, more.files_unchanged, more.records_written,
                          more.rows_rescued, more.rows_rejected, more.bytes_processed));
    if (changed == 0) return fail(ErrorCode::kNotFound, fmt::format("no run {}", run.text));
    for (const std::string& change : schema_changes) {
      TRY(db.execute(fmt::format("UPDATE runs SET schema_changes = {} WHERE id = ?1",
                                 fmt::format(fmt::runtime(db.dialect().list_with_text), "schema_changes", "?2")),
                     run.text, change));
    }
    return {};
  });
}

Result<RunRecord> SqlLedger::finish_run(const RunId& run, RunState state, std::string_view error) {
  return write("finishing a run", [&](SqlConnection& db) -> Result<RunRecord> {
    TRY(db.query_integer(fmt::format("SELECT 1 FROM runs WHERE id = ?{}", db.dialect().lock_rows), run.text));
    TRY_ASSIGN(const RunRecord found, run_of(db, run));
    if (found.state == state) return found;
    if (!can_move(found.state, state)) {
      return fail(ErrorCode::kConflict,
                  fmt::format("run {} is {}: it cannot become {}", run.text, to_string(found.state), to_string(state)));
    }
    TRY(db.execute("UPDATE runs SET status = ?2, completed_at = ?3, error = ?4 WHERE id = ?1", run.text, to_string(state), now_text(db),
                   storable(error)));
    return run_of(db, run);
  });
}

Result<int64_t> SqlLedger::close_dead_runs(const IngestionId& ingestion) {
  return write("closing runs of dead workers", [&](SqlConnection& db) { return close_dead(db, ingestion); });
}

Result<int64_t> SqlLedger::close_dead(SqlConnection& db, const IngestionId& ingestion) {
  TRY_ASSIGN(auto rows,
             db.query(runs_where("ingestion_id = ? AND status = 'RUNNING'") + std::string(db.dialect().lock_rows), ingestion.text));
  TRY_ASSIGN(const auto running, all_rows(std::move(rows), run_from));
  int64_t closed = 0;
  for (const RunRecord& run : running) {
    TRY_ASSIGN(const bool dead, is_dead(db, WorkerId(run.holder)));
    if (!dead) continue;
    TRY(db.execute("UPDATE runs SET status = 'FAILED', completed_at = ?2, error = 'the process died' WHERE id = ?1", run.id.text,
                   now_text(db)));
    ++closed;
  }
  return closed;
}

}  // namespace sluice
