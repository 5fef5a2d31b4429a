// Rule F: what operators do to files, refused while a live batch holds them.
#include <fmt/format.h>

#include "ledger/sql_ledger.h"

namespace sluice {

Result<void> SqlLedger::refuse_if_live(SqlConnection& db, const IngestionId& ingestion, std::string_view doing) {
  // Until we are done nobody can begin a batch: it would refer to this row.
  TRY(db.query_integer(fmt::format("SELECT 1 FROM ingestions WHERE id = ?{}", db.dialect().lock_rows_alone), ingestion.text));
  TRY_ASSIGN(const auto batch, db.query_text("SELECT id FROM batches WHERE ingestion_id = ? "
                                             "AND state IN ('STAGING', 'PREPARED', 'WITHDRAWING') ORDER BY created_at, id LIMIT 1",
                                             ingestion.text));
  if (!batch) return {};
  return fail(ErrorCode::kConflict,
              fmt::format("cannot {} while batch {} is not finished: let the run end, or run again to recover it", doing, *batch));
}

Result<void> SqlLedger::refuse_if_held(SqlConnection& db, const IngestionId& ingestion, std::span<const std::string> paths,
                                       std::string_view doing) {
  for (const std::string& path : paths) {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT batch_id, status FROM processed_files WHERE file_path = ? AND ingestion_id = ?{}",
                                               db.dialect().lock_rows_alone),
                                   path, ingestion.text));
    std::optional<std::string> batch;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      if (rows.text_view(1) == to_string(FileState::kProcessing)) batch = rows.text(0);
    }
    if (!batch) continue;
    return fail(ErrorCode::kConflict,
                fmt::format("cannot {} {} while batch {} holds it: let the run end, or run again to recover it", doing, path, *batch));
  }
  return {};
}

Result<int64_t> SqlLedger::retry(const IngestionId& ingestion, std::span<const std::string> paths) {
  // A file that workers died over is tried alone again.
  const std::string reset =
      "UPDATE processed_files SET status = 'DISCOVERED', retry_count = 0, worker_deaths = CASE WHEN worker_deaths > 1 THEN 1 ELSE "
      "worker_deaths END, updated_at = ?1 "
      "WHERE ingestion_id = ?2 AND status = 'FAILED'";
  return write("retrying files", [&](SqlConnection& db) -> Result<int64_t> {
    const std::string now = now_text(db);
    if (paths.empty()) return db.execute(reset, now, ingestion.text);
    TRY(refuse_if_held(db, ingestion, paths, "retry"));
    int64_t count = 0;
    for (const std::string& path : paths) {
      TRY_ASSIGN(const int64_t changed, db.execute(reset + " AND file_path = ?3", now, ingestion.text, path));
      count += changed;
    }
    return count;
  });
}

Result<int64_t> SqlLedger::forget(const IngestionId& ingestion, std::span<const std::string> paths) {
  return write("forgetting files", [&](SqlConnection& db) -> Result<int64_t> {
    TRY(refuse_if_held(db, ingestion, paths, "forget"));
    int64_t count = 0;
    for (const std::string& path : paths) {
      TRY_ASSIGN(const int64_t deleted,
                 db.execute("DELETE FROM processed_files WHERE file_path = ? AND ingestion_id = ?", path, ingestion.text));
      count += deleted;
      TRY(db.execute("DELETE FROM file_attempts WHERE ingestion_id = ? AND file_path = ?", ingestion.text, path));
      TRY(
          db.execute("UPDATE batch_files SET forgotten = TRUE WHERE file_path = ? "
                     "AND batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?)",
                     path, ingestion.text));
    }
    return count;
  });
}

Result<int64_t> SqlLedger::release_waiting(const IngestionId& ingestion) {
  return write("releasing files that wait for approval", [&](SqlConnection& db) -> Result<int64_t> {
    return db.execute(
        "UPDATE processed_files SET error_type = '', error_message = '', updated_at = ?2 WHERE ingestion_id = ?1 AND "
        "status = 'DISCOVERED' AND error_type = ?3",
        ingestion.text, now_text(db), error_type::kNeedsApproval);
  });
}

Result<int64_t> SqlLedger::forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) {
  return write("forgetting all files", [&](SqlConnection& db) -> Result<int64_t> {
    TRY(refuse_if_live(db, ingestion, "forget its files"));
    const std::string now = now_text(db);
    TRY_ASSIGN(const int64_t count, db.execute("DELETE FROM processed_files WHERE ingestion_id = ?", ingestion.text));
    TRY(db.execute("DELETE FROM file_attempts WHERE ingestion_id = ?", ingestion.text));
    TRY(db.execute("UPDATE batch_files SET forgotten = TRUE WHERE batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?)",
                   ingestion.text));
    TRY(db.execute("UPDATE batches SET disowned = TRUE, updated_at = ?2 WHERE ingestion_id = ?1", ingestion.text, now));
    for (const BatchId& batch : foreign) {
      TRY(db.execute(
          "INSERT INTO batches (id, ingestion_id, state, tracked, disowned, epoch, holder, lease_until, reason, created_at, "
          "updated_at, finished_at) VALUES (?1, ?2, 'COMMITTED', TRUE, TRUE, 0, '', ?3, 'named by the table''s mark', ?3, ?3, ?3) "
          "ON CONFLICT DO NOTHING",
          batch.text, ingestion.text, now));
    }
    TRY(db.execute("UPDATE ingestions SET seq_floor = CASE WHEN seq_floor > ?2 THEN seq_floor ELSE ?2 END, updated_at = ?3 WHERE id = ?1",
                   ingestion.text, seq_floor, now));
    return count;
  });
}

}  // namespace sluice
