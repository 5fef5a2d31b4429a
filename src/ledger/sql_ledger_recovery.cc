// Recovery and rule M: dead workers' batches, ended ones to sweep, what the ledger knows to be committed.
#include <fmt/format.h>

#include <set>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

constexpr std::string_view kLive = "state IN ('STAGING', 'PREPARED', 'WITHDRAWING')";
constexpr int64_t kSweptAtOnceMax = 1000;

// As their partial indexes say it.
constexpr std::string_view kWithdrawnToSweep = "state = 'WITHDRAWN' AND target IS NOT NULL";
constexpr std::string_view kTakenOverToSweep = "state = 'COMMITTED' AND epoch > 1 AND swept_at IS NULL";

bool is_to_sweep(const BatchRecord& batch, Timestamp now) {
  if (!batch.finished_at) return true;
  if (batch.state == BatchState::kCommitted) return now - *batch.finished_at >= kSweepAgainAfter;
  return !batch.swept_at || *batch.swept_at - *batch.finished_at < kSweepAgainAfter;
}

std::string batches_where(std::string_view condition) { return fmt::format("SELECT {} FROM batches WHERE {}", kBatchColumns, condition); }

}  // namespace

/// Files that the dead holder had in hand may have killed it.
Result<void> SqlLedger::count_deaths(SqlConnection& db, const BatchRecord& batch) {
  if (batch.state != BatchState::kStaging) return {};
  TRY_ASSIGN(const auto noted, in_hand(db, batch.holder, batch.id));
  const std::set<std::string> paths(noted.begin(), noted.end());
  for (const std::string& path : paths) {
    TRY(
        db.execute("UPDATE processed_files SET worker_deaths = worker_deaths + 1 "
                   "WHERE batch_id = ? AND status = 'PROCESSING' AND file_path = ?",
                   batch.id.text, path));
  }
  return {};
}

Result<std::optional<TakenOver>> SqlLedger::take_over(const IngestionId& ingestion, const WorkerId& worker,
                                                      std::chrono::microseconds lease) {
  TRY(hold_lock(worker));
  return write("taking over a batch", [&](SqlConnection& db) -> Result<std::optional<TakenOver>> {
    TRY_ASSIGN(auto rows,
               db.query(batches_where(fmt::format("ingestion_id = ? AND {} ORDER BY created_at, id{}", kLive, db.dialect().lock_free_rows)),
                        ingestion.text));
    TRY_ASSIGN(const auto live, all_rows(std::move(rows), batch_from));
    const Timestamp now = this->now(db);
    for (const BatchRecord& batch : live) {
      TRY_ASSIGN(const bool dead, is_dead(db, batch.holder));
      TRY_ASSIGN(auto lease_row, db.query("SELECT lease_until FROM batches WHERE id = ?", batch.id.text));
      TRY(lease_row.next());
      TRY_ASSIGN(const Timestamp until, time_at(lease_row, 0));
      if (!dead && until > now) continue;
      if (dead) TRY(count_deaths(db, batch));
      TakenOver taken{
          .batch = {.lease = {.batch = batch.id, .ingestion = ingestion, .epoch = batch.epoch + 1, .holder = worker, .until = now + lease},
                    .run = batch.run,
                    .tracked = batch.tracked},
          .record = batch};
      TRY(db.execute("UPDATE batches SET epoch = ?2, holder = ?3, lease_until = ?4, updated_at = ?5 WHERE id = ?1", batch.id.text,
                     taken.batch.lease.epoch, worker.text, to_text(taken.batch.lease.until), to_text(now)));
      TRY_ASSIGN(taken.batch.files, files_in_hand(db, ingestion, batch.id));
      return taken;
    }
    return std::nullopt;
  });
}

Result<std::vector<BatchRecord>> SqlLedger::batches_to_sweep(const IngestionId& ingestion) {
  // Nothing is written, but the ledger's time is known in a write transaction only.
  const auto look = [&](SqlConnection& db) -> Result<std::vector<BatchRecord>> {
    const Timestamp now = this->now(db);
    std::vector<BatchRecord> found;
    for (const std::string_view ended : {kWithdrawnToSweep, kTakenOverToSweep}) {
      TRY_ASSIGN(auto rows,
                 db.query(batches_where(fmt::format("ingestion_id = ? AND {} ORDER BY finished_at, id", ended)), ingestion.text));
      while (std::ssize(found) < kSweptAtOnceMax) {
        TRY_ASSIGN(const bool more, rows.next());
        if (!more) break;
        TRY_ASSIGN(auto batch, batch_from(rows));
        if (is_to_sweep(batch, now)) found.push_back(std::move(batch));
      }
    }
    return found;
  };
  return write("looking for batches to sweep", look, Durability::kMayBeLost);
}

Result<void> SqlLedger::mark_swept(const BatchId& batch) {
  return write(
      "noting a sweep",
      [&](SqlConnection& db) -> Result<void> {
        TRY(db.execute("UPDATE batches SET swept_at = ?2, updated_at = ?2 WHERE id = ?1 AND state IN ('WITHDRAWN', 'COMMITTED')",
                       batch.text, now_text(db)));
        return {};
      },
      Durability::kMayBeLost);
}

Result<std::optional<BatchRecord>> SqlLedger::find_batch(const BatchId& batch) {
  return read("looking for a batch", [&](SqlConnection& db) -> Result<std::optional<BatchRecord>> {
    TRY_ASSIGN(auto rows, db.query(batches_where("id = ?"), batch.text));
    return first_row(std::move(rows), batch_from);
  });
}

Result<std::optional<BatchRecord>> SqlLedger::last_committed(const IngestionId& ingestion, std::string_view table_uuid) {
  return read("looking for the last committed batch", [&](SqlConnection& db) -> Result<std::optional<BatchRecord>> {
    TRY_ASSIGN(auto rows, db.query(batches_where("ingestion_id = ?1 AND state = 'COMMITTED' AND tracked = TRUE AND disowned = FALSE AND "
                                                 "snapshot_id IS NOT NULL AND (?2 = '' OR table_uuid = ?2) ORDER BY seq DESC LIMIT 1"),
                                   ingestion.text, table_uuid));
    return first_row(std::move(rows), batch_from);
  });
}

Result<std::optional<TargetPin>> SqlLedger::last_target(const IngestionId& ingestion) {
  return read("looking for the last target", [&](SqlConnection& db) -> Result<std::optional<TargetPin>> {
    TRY_ASSIGN(
        auto rows,
        db.query(batches_where(
                     "ingestion_id = ? AND state = 'COMMITTED' AND tracked = TRUE AND disowned = FALSE AND "
                     "table_uuid <> '' AND EXISTS (SELECT 1 FROM batch_files f WHERE f.batch_id = batches.id) ORDER BY seq DESC LIMIT 1"),
                 ingestion.text));
    TRY_ASSIGN(const auto newest, first_row(std::move(rows), batch_from));
    return newest ? newest->target : std::nullopt;
  });
}

Result<int64_t> SqlLedger::highest_seq_of(SqlConnection& db, const IngestionId& ingestion) {
  TRY_ASSIGN(const auto highest, db.query_integer("SELECT max(number) FROM (SELECT max(seq) AS number FROM batches WHERE ingestion_id = ?1 "
                                                  "UNION ALL SELECT seq_floor FROM ingestions WHERE id = ?1) AS numbers",
                                                  ingestion.text));
  return highest.value_or(0);
}

Result<int64_t> SqlLedger::highest_seq(const IngestionId& ingestion) {
  return read("looking for the highest batch number", [&](SqlConnection& db) { return highest_seq_of(db, ingestion); });
}

Result<std::vector<BatchRecord>> SqlLedger::live_batches(const IngestionId& ingestion) {
  return read("looking for live batches", [&](SqlConnection& db) -> Result<std::vector<BatchRecord>> {
    TRY_ASSIGN(auto rows, db.query(batches_where(fmt::format("ingestion_id = ? AND {} ORDER BY created_at, id", kLive)), ingestion.text));
    return all_rows(std::move(rows), batch_from);
  });
}

Result<Outstanding> SqlLedger::outstanding(const IngestionId& ingestion, const RunId& run, int attempts_max) {
  return read("counting what is left to do", [&](SqlConnection& db) -> Result<Outstanding> {
    TRY_ASSIGN(auto waiting, db.query(fmt::format("SELECT count(*), count(NULLIF(archive_path, '')) FROM processed_files "
                                                  "WHERE ingestion_id = ?1 AND (({}) OR ({}))",
                                                  kWaitingDiscovered, kWaitingFailed),
                                      ingestion.text, attempts_max, run.text));
    TRY(waiting.next());
    Outstanding left{.claimable = waiting.integer(0), .members = waiting.integer(1)};
    TRY_ASSIGN(const auto in_live_batches,
               db.query_integer("SELECT count(*) FROM processed_files WHERE ingestion_id = ? AND status = 'PROCESSING'", ingestion.text));
    TRY_ASSIGN(const auto batches,
               db.query_integer(fmt::format("SELECT count(*) FROM batches WHERE ingestion_id = ? AND tracked = TRUE AND {}", kLive),
                                ingestion.text));
    left.in_live_batches = in_live_batches.value_or(0);
    left.batches = batches.value_or(0);
    return left;
  });
}

}  // namespace sluice
