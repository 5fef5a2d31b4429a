// Rule F: what operators do to files, refused while a live batch holds them.
#include <fmt/format.h>

#include "ledger/discovery_rules.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

Result<void> raise_seq_floor(SqlConnection& db, const IngestionId& ingestion, int64_t seq_floor, std::string_view now) {
  TRY(db.execute("UPDATE ingestions SET seq_floor = CASE WHEN seq_floor > ?2 THEN seq_floor ELSE ?2 END, updated_at = ?3 WHERE id = ?1",
                 ingestion.text, seq_floor, now));
  return {};
}

/// One piece, once; a file that was forgotten is found again.
Result<void> adopt_file(SqlConnection& db, const IngestionId& ingestion, const AdoptedFile& file, std::string_view now) {
  const std::optional<std::string> data_file = file.range ? std::optional(file.range->data_file) : std::nullopt;
  const RowRange range = file.range.value_or(RowRange{});
  TRY(db.execute(
      "INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count) "
      "SELECT ?1, ?2, ?3, (SELECT COALESCE(max(piece), -1) + 1 FROM batch_files WHERE file_path = ?2 AND version = ?3 AND batch_id = ?1), "
      "CAST(?4 AS text), CAST(?5 AS bigint), CAST(?6 AS bigint) WHERE NOT EXISTS (SELECT 1 FROM batch_files WHERE file_path = ?2 AND "
      "version = ?3 AND batch_id = ?1 AND COALESCE(data_file, '') = COALESCE(CAST(?4 AS text), '') AND first_row = CAST(?5 AS bigint))",
      file.batch.text, file.path, file.version, data_file, range.first_row, range.row_count));
  TRY(db.execute("UPDATE batch_files SET forgotten = FALSE WHERE file_path = ?1 AND version = ?2 AND batch_id = ?3 AND forgotten <> FALSE",
                 file.path, file.version, file.batch.text));
  // An object is one piece; the rows of a table's file are counted when all its pieces are here.
  const int64_t rows = file.key_target.empty() ? 0 : range.row_count;
  TRY(
      db.execute("UPDATE processed_files SET status = 'SUCCESS', loaded_version = file_etag, content_hash = '', records_ingested = ?5, "
                 "processed_at = COALESCE(processed_at, ?4), updated_at = ?4, error_type = '', error_message = '', error_line = 0, "
                 "error_byte = -1 WHERE file_path = ?1 AND ingestion_id = ?2 AND file_etag = ?3 AND "
                 "status IN ('DISCOVERED', 'FAILED', 'SKIPPED')",
                 file.path, ingestion.text, file.version, now, rows));
  // Found anew by a run that rule M stopped: seen as changed by the next discovery, which asks the history and on_change.
  TRY(
      db.execute("UPDATE processed_files SET file_etag = '', updated_at = ?4 WHERE file_path = ?1 AND ingestion_id = ?2 AND "
                 "file_etag <> ?3 AND loaded_version = '' AND status IN ('DISCOVERED', 'FAILED')",
                 file.path, ingestion.text, file.version, now));
  if (file.key_target.empty()) return {};
  TRY(
      db.execute("INSERT INTO object_keys (object_key, target, ingestion_id, file_path, version, batches, updated_at) "
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (object_key) DO NOTHING",
                 range.data_file, file.key_target, ingestion.text, file.path, file.version, file.batch.text, now));
  return {};
}

}  // namespace

Result<void> SqlLedger::adopt_batch(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch, std::string_view reason) {
  TRY(
      db.execute("INSERT INTO batches (id, ingestion_id, state, tracked, disowned, epoch, holder, lease_until, reason, created_at, "
                 "updated_at, finished_at) VALUES (?1, ?2, 'COMMITTED', TRUE, TRUE, 0, '', ?3, ?4, ?3, ?3, ?3) ON CONFLICT DO NOTHING",
                 batch.text, ingestion.text, now_text(db), reason));
  return {};
}

/// A batch that this ledger has unfinished, and that the table holds: its worker finished it in a later state of this ledger.
Result<void> SqlLedger::end_adopted(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch) {
  TRY_ASSIGN(const auto holder, db.query_text("SELECT holder FROM batches WHERE id = ? AND ingestion_id = ? AND "
                                              "state IN ('STAGING', 'PREPARED', 'WITHDRAWING')",
                                              batch.text, ingestion.text));
  if (!holder) return {};
  TRY_ASSIGN(const bool dead, is_dead(db, WorkerId(*holder)));
  if (!dead) return fail(ErrorCode::kConflict, fmt::format("a living worker has batch {}: let its run end first", batch.text));
  const std::string now = now_text(db);
  TRY(db.execute("DELETE FROM batch_results WHERE batch_id = ?", batch.text));
  TRY(
      db.execute("UPDATE processed_files SET status = 'DISCOVERED', updated_at = ?2 WHERE batch_id = ?1 AND status = 'PROCESSING' AND "
                 "ingestion_id = ?3",
                 batch.text, now, ingestion.text));
  TRY(
      db.execute("UPDATE batches SET state = 'COMMITTED', disowned = TRUE, epoch = epoch + 1, reason = 'found in the table', "
                 "finished_at = ?2, updated_at = ?2 WHERE id = ?1",
                 batch.text, now));
  return {};
}

Result<void> SqlLedger::adopt(const IngestionId& ingestion, std::span<const BatchId> batches, std::span<const AdoptedFile> files,
                              int64_t seq_floor) {
  return write("recording what the table holds", [&](SqlConnection& db) -> Result<void> {
    const std::string now = now_text(db);
    for (const BatchId& batch : batches) {
      TRY(adopt_batch(db, ingestion, batch, "found in the table"));
      TRY(end_adopted(db, ingestion, batch));
    }
    for (const AdoptedFile& file : files) TRY(adopt_file(db, ingestion, file, now));
    return raise_seq_floor(db, ingestion, seq_floor, now);
  });
}

Result<int64_t> SqlLedger::count_adopted(const IngestionId& ingestion) {
  return write("counting what the table holds", [&](SqlConnection& db) -> Result<int64_t> {
    TRY(
        db.execute("UPDATE processed_files SET records_ingested = (SELECT COALESCE(sum(f.row_count), 0) FROM batch_files f "
                   "WHERE f.file_path = processed_files.file_path AND f.version = processed_files.loaded_version AND "
                   "f.forgotten = FALSE AND f.batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?1)) "
                   "WHERE ingestion_id = ?1 AND status = 'SUCCESS' AND records_ingested = 0",
                   ingestion.text));
    TRY_ASSIGN(const auto count,
               db.query_integer("SELECT count(*) FROM processed_files WHERE ingestion_id = ? AND status = 'SUCCESS'", ingestion.text));
    return count.value_or(0);
  });
}

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

/// The paths, and behind each those of its members.
Result<std::vector<std::string>> SqlLedger::with_members(SqlConnection& db, const IngestionId& ingestion,
                                                         std::span<const std::string> paths) {
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    all.push_back(path);
    const auto [first, end] = member_range(path);
    TRY_ASSIGN(auto rows, db.query("SELECT file_path FROM processed_files WHERE file_path > ?1 AND file_path < ?2 AND ingestion_id = ?3 "
                                   "AND archive_path <> '' ORDER BY file_path",
                                   first, end, ingestion.text));
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      all.push_back(rows.text(0));
    }
  }
  return all;
}

Result<int64_t> SqlLedger::forget(const IngestionId& ingestion, std::span<const std::string> paths) {
  return write("forgetting files", [&](SqlConnection& db) -> Result<int64_t> {
    TRY_ASSIGN(const std::vector<std::string> all, with_members(db, ingestion, paths));
    TRY(refuse_if_held(db, ingestion, all, "forget"));
    int64_t count = 0;
    for (const std::string& path : all) {
      TRY_ASSIGN(const auto archive,
                 db.query_text("SELECT archive_path FROM processed_files WHERE file_path = ? AND ingestion_id = ?", path, ingestion.text));
      TRY(reopen_archive(db, ingestion, archive.value_or(""), now_text(db)));
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
    TRY(db.execute("DELETE FROM object_keys WHERE ingestion_id = ?", ingestion.text));
    TRY(db.execute("UPDATE batch_files SET forgotten = TRUE WHERE batch_id IN (SELECT id FROM batches WHERE ingestion_id = ?)",
                   ingestion.text));
    TRY(db.execute("UPDATE batches SET disowned = TRUE, updated_at = ?2 WHERE ingestion_id = ?1", ingestion.text, now));
    for (const BatchId& batch : foreign) TRY(adopt_batch(db, ingestion, batch, "named by the table's mark"));
    TRY(raise_seq_floor(db, ingestion, seq_floor, now));
    return count;
  });
}

}  // namespace sluice
