// How batches end: confirm and withdraw.
#include <fmt/format.h>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {

std::string worker_died_message() {
  return fmt::format("{} workers died while reading it; the file was not loaded. Look at it, then load it with `sluice retry`",
                     kWorkerDeathsMax);
}

/// Which outcomes the results of a prepared batch have.
Result<std::set<FileOutcome>> SqlLedger::outcomes_of(SqlConnection& db, const BatchId& batch) {
  TRY_ASSIGN(auto rows, db.query("SELECT DISTINCT outcome FROM batch_results WHERE batch_id = ?", batch.text));
  std::set<FileOutcome> outcomes;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return outcomes;
    const auto outcome = parse_file_outcome(rows.text_view(0));
    if (!outcome) return fail(ErrorCode::kCorruption, fmt::format("batch {}: unknown outcome '{}'", batch.text, rows.text_view(0)));
    outcomes.insert(*outcome);
  }
}

/// Files take the state that their results say; failures are added to the attempts. The statements read like the table in
/// work_ledger.h: one per outcome, and only those that occur, for each reads all results.
Result<void> SqlLedger::apply_results(SqlConnection& db, const BatchId& batch, const Published& published, std::string_view now) {
  constexpr std::string_view kFrom = " FROM batch_results r WHERE r.batch_id = ?1 AND r.file_id = processed_files.id AND r.outcome ";
  constexpr std::string_view kNoError = "error_type = '', error_message = '', error_line = 0, error_byte = -1, worker_deaths = 0";
  constexpr std::string_view kError =
      "error_type = r.error_type, error_message = r.error_message, error_line = r.error_line, error_byte = r.error_byte";

  TRY_ASSIGN(const auto outcomes, outcomes_of(db, batch));
  const auto any = [&](auto... outcome) { return (outcomes.contains(outcome) || ...); };
  using enum FileOutcome;
  if (any(kLoaded)) {
    TRY(db.execute(
        fmt::format("UPDATE processed_files SET status = 'SUCCESS', loaded_version = file_etag, content_hash = r.content_hash, "
                    "records_ingested = r.records_ingested, bytes_read = r.bytes_read, processing_duration_ms = r.processing_duration_ms, "
                    "file_format = r.file_format, snapshot_id = ?3, processed_at = ?2, updated_at = ?2, {}{}= 'LOADED'",
                    kNoError, kFrom),
        batch.text, now, published.snapshot_id));
  }
  // Without a loaded version: what was loaded are its members, and another version of it is always opened.
  if (any(kExpanded)) {
    TRY(db.execute(fmt::format("UPDATE processed_files SET status = 'SUCCESS', records_ingested = 0, bytes_read = r.bytes_read, "
                               "processing_duration_ms = r.processing_duration_ms, file_format = r.file_format, processed_at = ?2, "
                               "updated_at = ?2, {}{}= 'EXPANDED'",
                               kNoError, kFrom),
                   batch.text, now));
  }
  if (any(kUnchanged)) {
    TRY(db.execute(fmt::format("UPDATE processed_files SET status = 'SUCCESS', loaded_version = file_etag, "
                               "processed_at = COALESCE(processed_at, ?2), updated_at = ?2, {}{}= 'UNCHANGED'",
                               kNoError, kFrom),
                   batch.text, now));
  }
  if (any(kRefused)) {
    TRY(db.execute(fmt::format("UPDATE processed_files SET status = 'SUCCESS', updated_at = ?2, {}{}= 'REFUSED'", kNoError, kFrom),
                   batch.text, now));
  }
  // One that could not even be opened is still known by what it was read as before: an archive by its members.
  // A file that vanished may come back as it was (a share that was not mounted): no version is known, so that it is seen as changed.
  if (any(kFailed, kSkipped)) {
    TRY(db.execute(fmt::format("UPDATE processed_files SET status = r.outcome, processed_at = ?2, updated_at = ?2, "
                               "processing_duration_ms = r.processing_duration_ms, "
                               "file_format = CASE r.file_format WHEN '' THEN processed_files.file_format ELSE r.file_format END, "
                               "file_etag = CASE r.error_type WHEN ?3 THEN '' ELSE file_etag END, {}{}IN ('FAILED', 'SKIPPED')",
                               kError, kFrom),
                   batch.text, now, error_type::kVanished));
  }
  if (any(kReleased)) {
    TRY(db.execute(
        fmt::format(
            "UPDATE processed_files SET status = 'DISCOVERED', retry_count = CASE WHEN retry_count > 0 THEN retry_count - 1 ELSE 0 END, "
            "processing_started_at = NULL, updated_at = ?2, {}{}= 'RELEASED'",
            kError, kFrom),
        batch.text, now));
  }
  if (any(kFailed, kRefused)) {
    TRY(db.execute(
        "INSERT INTO file_attempts (ingestion_id, source_id, file_path, file_etag, run_id, batch_id, error_type, error_message, "
        "error_line, error_byte, attempted_at) SELECT f.ingestion_id, f.source_id, f.file_path, f.file_etag, f.run_id, ?1, "
        "CASE r.outcome WHEN 'REFUSED' THEN ?3 ELSE r.error_type END, r.error_message, r.error_line, r.error_byte, ?2 "
        "FROM batch_results r JOIN processed_files f ON f.id = r.file_id WHERE r.batch_id = ?1 AND r.outcome IN ('FAILED', 'REFUSED') "
        "ORDER BY f.id",
        batch.text, now, error_type::kChanged));
  }
  TRY(reopen_archives_of_vanished(db, batch, now));
  TRY(db.execute("DELETE FROM batch_results WHERE batch_id = ?", batch.text));
  return {};
}

Result<void> SqlLedger::reopen_archives_of_vanished(SqlConnection& db, const BatchId& batch, std::string_view now) {
  TRY_ASSIGN(auto rows, db.query("SELECT DISTINCT f.ingestion_id, f.archive_path FROM batch_results r JOIN processed_files f "
                                 "ON f.id = r.file_id WHERE r.batch_id = ?1 AND r.error_type = ?2 AND f.archive_path <> ''",
                                 batch.text, error_type::kVanished));
  std::vector<std::pair<IngestionId, std::string>> archives;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) break;
    archives.emplace_back(rows.text(0), rows.text(1));
  }
  for (const auto& [ingestion, archive] : archives) TRY(reopen_archive(db, ingestion, archive, now));
  return {};
}

/// An archive without a version is seen as changed by the next discovery; one that lies in another is found through that.
Result<void> SqlLedger::reopen_archive(SqlConnection& db, const IngestionId& ingestion, std::string archive, std::string_view now) {
  while (!archive.empty()) {
    TRY(
        db.execute("UPDATE processed_files SET file_etag = '', updated_at = ?3 WHERE file_path = ?1 AND ingestion_id = ?2 AND "
                   "status = 'SUCCESS'",
                   archive, ingestion.text, now));
    TRY_ASSIGN(const auto outer, db.query_text("SELECT archive_path FROM processed_files WHERE file_path = ?1 AND ingestion_id = ?2",
                                               archive, ingestion.text));
    archive = outer.value_or("");
  }
  return {};
}

/// Of whoever opens it: a batch that never ends well leaves its members behind.
Result<void> SqlLedger::note_archive_format(SqlConnection& db, const DiscoverRequest& request) {
  if (request.archive_format.empty()) return {};
  TRY(
      db.execute("UPDATE processed_files SET file_format = ?4 WHERE file_path = ?1 AND ingestion_id = ?2 AND source_id = ?3 AND "
                 "file_format <> ?4",
                 request.archive, request.ingestion.text, request.source.text, request.archive_format));
  return {};
}

/// Adds what the batch counted to the run that claimed it, however that run has ended.
Result<void> SqlLedger::count_for_run(SqlConnection& db, const BatchId& batch, const Published& published) {
  TRY(db.execute(
      "UPDATE runs SET files_processed = runs.files_processed + b.files_processed, files_failed = runs.files_failed + b.files_failed, "
      "files_skipped = runs.files_skipped + b.files_skipped, files_unchanged = runs.files_unchanged + b.files_unchanged, "
      "records_written = runs.records_written + b.records_written, rows_rescued = runs.rows_rescued + b.rows_rescued, "
      "rows_rejected = runs.rows_rejected + b.rows_rejected, bytes_processed = runs.bytes_processed + b.bytes_processed "
      "FROM batches b WHERE b.id = ?1 AND runs.id = b.run_id",
      batch.text));
  if (!published.snapshot_id) return {};
  TRY(db.execute(fmt::format("UPDATE runs SET snapshots = {} WHERE id = (SELECT run_id FROM batches WHERE id = ?1)",
                             fmt::format(fmt::runtime(db.dialect().list_with_number), "snapshots", "?2")),
                 batch.text, *published.snapshot_id));
  return {};
}

Result<void> SqlLedger::confirm(const Lease& lease, const Published& published) {
  return write("confirming a batch", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const auto known,
               db.query_text(fmt::format("SELECT state FROM batches WHERE id = ?{}", db.dialect().lock_rows), lease.batch.text));
    if (known == to_string(BatchState::kCommitted)) return {};
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    if (!can_move(state, BatchState::kCommitted)) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it cannot be confirmed", lease.batch.text, to_string(state)));
    }
    const std::string now = now_text(db);
    TRY(db.execute(
        "UPDATE batches SET state = 'COMMITTED', reason = '', snapshot_id = ?2, sequence_number = ?3, finished_at = ?4, updated_at = ?4 "
        "WHERE id = ?1",
        lease.batch.text, published.snapshot_id, published.sequence_number, now));
    TRY(apply_results(db, lease.batch, published, now));
    return count_for_run(db, lease.batch, published);
  });
}

Result<void> SqlLedger::start_withdraw(const Lease& lease, std::string_view reason) {
  return write("starting to withdraw a batch", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    if (state == BatchState::kWithdrawing) return {};
    if (!can_move(state, BatchState::kWithdrawing)) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it cannot be given up this way", lease.batch.text, to_string(state)));
    }
    TRY(db.execute("UPDATE batches SET state = 'WITHDRAWING', reason = ?2, updated_at = ?3 WHERE id = ?1", lease.batch.text,
                   storable(reason), now_text(db)));
    return {};
  });
}

/// The files of a batch that ends without effect: free again, or FAILED where too many workers died over them.
Result<void> SqlLedger::release_files(SqlConnection& db, const Lease& lease, BatchState state, bool gently, std::string_view now) {
  constexpr std::string_view kHeld = "ingestion_id = ?2 AND status = 'PROCESSING' AND batch_id = ?1";
  const std::string &batch = lease.batch.text, &ingestion = lease.ingestion.text;
  if (state != BatchState::kStaging) {  // only prepare writes these; found through the batch's files while they are still its own
    TRY(db.execute(fmt::format("DELETE FROM batch_files WHERE batch_id = ?1 AND file_path IN (SELECT file_path FROM processed_files "
                               "WHERE {})",
                               kHeld),
                   batch, ingestion));
    TRY(db.execute("DELETE FROM batch_results WHERE batch_id = ?", batch));
  }
  const std::string died = worker_died_message();
  TRY(db.execute(
      fmt::format("INSERT INTO file_attempts (ingestion_id, source_id, file_path, file_etag, run_id, batch_id, error_type, error_message, "
                  "attempted_at) SELECT ingestion_id, source_id, file_path, file_etag, run_id, batch_id, ?3, ?4, ?5 "
                  "FROM processed_files WHERE {} AND worker_deaths >= ?6",
                  kHeld),
      batch, ingestion, error_type::kWorkerDied, died, now, kWorkerDeathsMax));
  TRY_ASSIGN(const int64_t failed,
             db.execute(fmt::format("UPDATE processed_files SET status = 'FAILED', error_type = ?3, error_message = ?4, error_line = 0, "
                                    "error_byte = -1, processed_at = ?5, updated_at = ?5 WHERE {} AND worker_deaths >= ?6",
                                    kHeld),
                        batch, ingestion, error_type::kWorkerDied, died, now, kWorkerDeathsMax));
  // Of the run that finds them out, whose exit code people see; the one that claimed them is dead.
  TRY(
      db.execute("UPDATE runs SET files_failed = files_failed + ?2 WHERE id = COALESCE("
                 "(SELECT r.id FROM runs r JOIN batches b ON b.holder = r.holder AND b.ingestion_id = r.ingestion_id "
                 "WHERE b.id = ?1 AND r.status = 'RUNNING' ORDER BY r.sequence DESC LIMIT 1), "
                 "(SELECT run_id FROM batches WHERE id = ?1))",
                 batch, failed));
  TRY(db.execute(
      fmt::format(
          "UPDATE processed_files SET status = 'DISCOVERED', retry_count = CASE WHEN retry_count > ?3 THEN retry_count - ?3 ELSE 0 END, "
          "processing_started_at = NULL, updated_at = ?4 WHERE {}",
          kHeld),
      batch, ingestion, gently ? 1 : 0, now));
  return {};
}

Result<void> SqlLedger::finish_withdraw(const Lease& lease, std::string_view reason, bool gently) {
  return write("withdrawing a batch", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    if (state == BatchState::kWithdrawn) return {};
    if (!can_move(state, BatchState::kWithdrawn)) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it cannot be given up this way", lease.batch.text, to_string(state)));
    }
    const std::string now = now_text(db);
    TRY(release_files(db, lease, state, gently, now));
    TRY(db.execute("UPDATE batches SET state = 'WITHDRAWN', reason = ?2, finished_at = ?3, updated_at = ?3 WHERE id = ?1", lease.batch.text,
                   storable(reason), now));
    return {};
  });
}

}  // namespace sluice
