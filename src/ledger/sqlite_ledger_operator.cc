// Rule F: what operators do to files, refused while a live batch holds them.
#include <fmt/format.h>

#include "ledger/sqlite_ledger.h"

namespace sluice {

Result<void> SqliteLedger::refuse_if_live(const IngestionId& ingestion, std::string_view doing) {
  TRY_ASSIGN(const auto batch, writer_->query_text("SELECT id FROM batches WHERE ingestion_id = ? "
                                                   "AND state IN ('STAGING', 'PREPARED', 'WITHDRAWING') ORDER BY created_at, id LIMIT 1",
                                                   ingestion.text));
  if (!batch) return {};
  return fail(ErrorCode::kConflict,
              fmt::format("cannot {} while batch {} is not finished: let the run end, or run again to recover it", doing, *batch));
}

Result<void> SqliteLedger::refuse_if_held(const IngestionId& ingestion, std::span<const std::string> paths, std::string_view doing) {
  for (const std::string& path : paths) {
    TRY_ASSIGN(const auto batch, writer_->query_text("SELECT batch_id FROM processed_files "
                                                     "WHERE file_path = ? AND ingestion_id = ? AND status = 'PROCESSING' LIMIT 1",
                                                     path, ingestion.text));
    if (!batch) continue;
    return fail(ErrorCode::kConflict,
                fmt::format("cannot {} {} while batch {} holds it: let the run end, or run again to recover it", doing, path, *batch));
  }
  return {};
}

Result<int64_t> SqliteLedger::retry(const IngestionId& ingestion, std::span<const std::string> paths) {
  // A file that workers died over is tried alone again.
  const std::string reset =
      "UPDATE processed_files SET status = 'DISCOVERED', retry_count = 0, worker_deaths = min(worker_deaths, 1), updated_at = ?1 "
      "WHERE ingestion_id = ?2 AND status = 'FAILED'";
  return write("retrying files", [&]() -> Result<int64_t> {
    const std::string now = now_text();
    if (paths.empty()) return writer_->execute(reset, now, ingestion.text);
    TRY(refuse_if_held(ingestion, paths, "retry"));
    int64_t count = 0;
    for (const std::string& path : paths) {
      TRY_ASSIGN(const int64_t changed, writer_->execute(reset + " AND file_path = ?3", now, ingestion.text, path));
      count += changed;
    }
    return count;
  });
}

Result<int64_t> SqliteLedger::forget(const IngestionId& ingestion, std::span<const std::string> paths) {
  return write("forgetting files", [&]() -> Result<int64_t> {
    TRY(refuse_if_held(ingestion, paths, "forget"));
    int64_t count = 0;
    for (const std::string& path : paths) {
      TRY_ASSIGN(const int64_t deleted,
                 writer_->execute("DELETE FROM processed_files WHERE file_path = ? AND ingestion_id = ?", path, ingestion.text));
      count += deleted;
      TRY(writer_->execute("DELETE FROM file_attempts WHERE ingestion_id = ? AND file_path = ?", ingestion.text, path));
      TRY(
          writer_->execute("UPDATE batch_files SET forgotten = 1 WHERE file_path = ? "
                           "AND batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?)",
                           path, ingestion.text));
    }
    return count;
  });
}

Result<int64_t> SqliteLedger::forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) {
  return write("forgetting all files", [&]() -> Result<int64_t> {
    TRY(refuse_if_live(ingestion, "forget its files"));
    const std::string now = now_text();
    TRY_ASSIGN(const int64_t count, writer_->execute("DELETE FROM processed_files WHERE ingestion_id = ?", ingestion.text));
    TRY(writer_->execute("DELETE FROM file_attempts WHERE ingestion_id = ?", ingestion.text));
    TRY(writer_->execute("UPDATE batch_files SET forgotten = 1 WHERE batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?)",
                         ingestion.text));
    TRY(writer_->execute("UPDATE batches SET disowned = 1, updated_at = ?2 WHERE ingestion_id = ?1", ingestion.text, now));
    for (const BatchId& batch : foreign) {
      TRY(writer_->execute(
          "INSERT INTO batches (id, ingestion_id, state, tracked, disowned, epoch, holder, lease_until, reason, created_at, "
          "updated_at, finished_at) VALUES (?1, ?2, 'COMMITTED', 1, 1, 0, '', ?3, 'named by the table''s mark', ?3, ?3, ?3) "
          "ON CONFLICT DO NOTHING",
          batch.text, ingestion.text, now));
    }
    TRY(writer_->execute("UPDATE ingestions SET seq_floor = max(seq_floor, ?2), updated_at = ?3 WHERE id = ?1", ingestion.text, seq_floor,
                         now));
    return count;
  });
}

}  // namespace sluice
