// Batches up to the prepared record: claim, lease, target, prepare, standing.
#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <unordered_set>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

// What confirm will add to the run; counted when the results are known, for untracked batches keep no results.
RunMetrics metrics_of(std::span<const FileResult> results) {
  RunMetrics sum;
  for (const FileResult& result : results) {
    switch (result.outcome) {
      case FileOutcome::kLoaded:
      case FileOutcome::kExpanded: ++sum.files_processed; break;
      case FileOutcome::kUnchanged: ++sum.files_unchanged; break;
      case FileOutcome::kFailed:
      case FileOutcome::kRefused: ++sum.files_failed; break;
      case FileOutcome::kSkipped: ++sum.files_skipped; break;
      case FileOutcome::kReleased: break;
    }
    if (result.outcome != FileOutcome::kLoaded) continue;
    sum.records_written += result.rows;
    sum.rows_rescued += result.rows_rescued;
    sum.rows_rejected += result.rows_rejected;
    sum.bytes_processed += result.bytes_read;
  }
  return sum;
}

constexpr int kOtherRun = 12;  // in a row of choose_claimable, after kClaimedFileColumns

std::string ids_as_json(std::ranges::input_range auto&& ids) {
  return fmt::format("[{}]", fmt::join(std::ranges::begin(ids), std::ranges::end(ids), ","));
}

// A list parameter as a subquery.
std::string numbers_in(const SqlConnection& db, std::string_view param) {
  return fmt::format(fmt::runtime(db.dialect().numbers_in_list), param);
}

}  // namespace

std::string SqlLedger::error_type_of(const FileResult& result) {
  if (!result.error) return "";
  return result.error->type.empty() ? std::string(to_string(result.error->code)) : result.error->type;
}

std::string SqlLedger::error_message_of(const FileResult& result) const {
  if (!result.error) return "";
  // Changes of the table that wait for approval are compared with what is approved: names of columns, to the letter.
  return result.error->type == error_type::kNeedsApproval ? result.error->message : storable(result.error->message);
}

std::vector<SqlLedger::FilePiece> SqlLedger::pieces_of(const FileResult& result) {
  if (result.outcome != FileOutcome::kLoaded && result.outcome != FileOutcome::kUnchanged) return {};
  std::vector<FilePiece> pieces;
  if (result.outcome == FileOutcome::kLoaded) {
    for (const RowRange& range : result.ranges) pieces.push_back({range.data_file, range.first_row, range.row_count, {}});
  }
  if (pieces.empty()) pieces.emplace_back();
  // Of what is loaded the file's record has it, until another version takes its place: most files have one version, and pay nothing.
  if (result.outcome == FileOutcome::kUnchanged) pieces.front().content_hash = result.content_hash;
  return pieces;
}

Result<BatchState> SqlLedger::own_state(SqlConnection& db, const Lease& lease) {
  TRY_ASSIGN(auto rows,
             db.query(fmt::format("SELECT state, epoch, holder FROM batches WHERE id = ?{}", db.dialect().lock_rows), lease.batch.text));
  TRY_ASSIGN(const bool found, rows.next());
  if (!found) {
    return fail(ErrorCode::kConflict,
                fmt::format("batch {}: the ledger does not know it; was the ledger restored from a backup?", lease.batch.text));
  }
  if (rows.integer(1) != lease.epoch || rows.text_view(2) != lease.holder.text) {
    return fail(ErrorCode::kConflict, fmt::format("batch {}: worker {} took it over (epoch {}, ours was {})", lease.batch.text,
                                                  rows.text_view(2), rows.integer(1), lease.epoch));
  }
  const auto state = parse_batch_state(rows.text_view(0));
  if (!state) return fail(ErrorCode::kCorruption, fmt::format("batch {}: unknown state '{}'", lease.batch.text, rows.text_view(0)));
  return *state;
}

/// The next files, in order, within the limits; one file alone if it may have killed a worker.
Result<SqlLedger::Claimable> SqlLedger::choose_claimable(SqlConnection& db, const ClaimRequest& request) {
  const std::string only = request.only.empty() ? "" : " AND id IN " + numbers_in(db, "?5");
  const bool by_time = request.order == "time";
  const std::string order = by_time ? "6, 3" : "3";  // of kClaimedFileColumns
  const std::string_view lock = db.dialect().lock_free_rows;
  const auto waiting = [&](std::string_view which, std::string_view deaths) {
    const std::string all = fmt::format(
        "SELECT {}, run_id IS DISTINCT FROM ?3 AS other_run FROM processed_files WHERE ingestion_id = ?1 AND {} AND worker_deaths {}{}",
        kClaimedFileColumns, which, deaths, only);
    // Rows are locked where they are read, each kind up to the limit: what another claim has in its hands is passed over.
    return lock.empty() ? all : fmt::format("SELECT * FROM ({} ORDER BY {} LIMIT ?4{}) AS waiting", all, order, lock);
  };
  const auto choose = [&](std::string_view deaths, int64_t files_max) -> Result<Claimable> {
    // Two walks through idx_processed_files_ingestion_status, merged: nothing is sorted, and no more is read than is claimed.
    const std::string sql =
        fmt::format("{} UNION ALL {} ORDER BY {} LIMIT ?4", waiting(kWaitingDiscovered, deaths), waiting(kWaitingFailed, deaths), order);
    std::vector<SqlParam> params = {request.ingestion.text, request.attempts_max, request.run.text, files_max};
    const std::string ids = ids_as_json(request.only);
    if (!request.only.empty()) params.emplace_back(ids);
    TRY_ASSIGN(auto rows, db.query_list(sql, params));
    Claimable chosen;
    int64_t bytes = 0;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      TRY_ASSIGN(ClaimedFile file, claimed_file_from(rows));
      bytes += file.size_bytes;
      if (!chosen.files.empty() && bytes > request.limits.bytes_max) break;
      ++file.attempts;
      if (rows.integer(kOtherRun) != 0) chosen.seen_by_others.push_back(file.id);
      chosen.files.push_back(std::move(file));
    }
    if (by_time) std::ranges::sort(chosen.files, {}, &ClaimedFile::path);
    return chosen;
  };
  TRY_ASSIGN(auto healthy, choose("= 0", std::max<int64_t>(1, request.limits.files_max)));
  if (!healthy.files.empty()) return healthy;
  return choose("> 0", 1);
}

Result<std::vector<ClaimedFile>> SqlLedger::files_in_hand(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch) {
  TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM processed_files WHERE ingestion_id = ? AND status = 'PROCESSING' "
                                             "AND batch_id = ? ORDER BY file_path",
                                             kClaimedFileColumns),
                                 ingestion.text, batch.text));
  return all_rows(std::move(rows), claimed_file_from);
}

/// The answer to a claim that was made before and whose answer got lost.
Result<std::optional<ClaimedBatch>> SqlLedger::earlier_claim(SqlConnection& db, const ClaimRequest& request) {
  TRY_ASSIGN(auto rows,
             db.query("SELECT state, epoch, holder, lease_until, tracked, run_id FROM batches WHERE id = ?", request.batch.text));
  TRY_ASSIGN(const bool found, rows.next());
  if (!found) return std::nullopt;
  if (rows.text_view(0) != to_string(BatchState::kStaging) || rows.text_view(2) != request.worker.text) {
    return fail(ErrorCode::kConflict, fmt::format("batch {} is {} and held by {}: it cannot be claimed again", request.batch.text,
                                                  rows.text_view(0), rows.text_view(2)));
  }
  ClaimedBatch claimed;
  claimed.lease = {.batch = request.batch, .ingestion = request.ingestion, .epoch = rows.integer(1), .holder = request.worker};
  TRY_ASSIGN(claimed.lease.until, time_at(rows, 3));
  claimed.tracked = rows.integer(4) != 0;
  claimed.run = RunId(rows.text(5));
  TRY_ASSIGN(claimed.files, files_in_hand(db, request.ingestion, request.batch));
  return claimed;
}

Result<Lease> SqlLedger::insert_batch(SqlConnection& db, const ClaimRequest& request, bool tracked) {
  const Timestamp now = this->now(db);
  Lease lease{.batch = request.batch, .ingestion = request.ingestion, .epoch = 1, .holder = request.worker, .until = now + request.lease};
  TRY(
      db.execute("INSERT INTO batches (id, ingestion_id, run_id, state, tracked, epoch, holder, lease_until, created_at, updated_at) "
                 "VALUES (?1, ?2, ?3, 'STAGING', ?4, ?5, ?6, ?7, ?8, ?8)",
                 lease.batch.text, lease.ingestion.text, request.run.text, tracked, lease.epoch, lease.holder.text, to_text(lease.until),
                 to_text(now)));
  return lease;
}

Result<std::optional<ClaimedBatch>> SqlLedger::claim(const ClaimRequest& request) {
  TRY(hold_lock(request.worker));
  return write("claiming files", [&](SqlConnection& db) -> Result<std::optional<ClaimedBatch>> {
    TRY_ASSIGN(auto earlier, earlier_claim(db, request));
    if (earlier) return earlier;
    TRY_ASSIGN(auto chosen, choose_claimable(db, request));
    if (chosen.files.empty()) return std::nullopt;
    ClaimedBatch claimed{.run = request.run, .tracked = true};
    TRY_ASSIGN(claimed.lease, insert_batch(db, request, true));
    // One statement for all: each that changes foreign keys first saves every page it touches. The run is written apart, and only where
    // it is another: naming the column in the first statement would cost every file two changes of its index.
    TRY(db.execute(fmt::format("UPDATE processed_files SET status = 'PROCESSING', batch_id = ?2, retry_count = retry_count + 1, "
                               "processing_started_at = ?3, updated_at = ?3 WHERE id IN {}",
                               numbers_in(db, "?1")),
                   ids_as_json(chosen.files | std::views::transform(&ClaimedFile::id)), request.batch.text, now_text(db)));
    if (!chosen.seen_by_others.empty()) {
      TRY(db.execute(fmt::format("UPDATE processed_files SET run_id = ?2 WHERE id IN {}", numbers_in(db, "?1")),
                     ids_as_json(chosen.seen_by_others), request.run.text));
    }
    claimed.files = std::move(chosen.files);
    return claimed;
  });
}

Result<ClaimedBatch> SqlLedger::open_untracked(const ClaimRequest& request) {
  TRY(hold_lock(request.worker));
  return write("opening an untracked batch", [&](SqlConnection& db) -> Result<ClaimedBatch> {
    TRY_ASSIGN(auto earlier, earlier_claim(db, request));
    if (earlier) return *std::move(earlier);
    ClaimedBatch claimed{.run = request.run, .tracked = false};
    TRY_ASSIGN(claimed.lease, insert_batch(db, request, false));
    return claimed;
  });
}

Result<Lease> SqlLedger::renew(const Lease& lease, std::chrono::microseconds duration) {
  return write(
      "renewing a lease",
      [&](SqlConnection& db) -> Result<Lease> {
        TRY_ASSIGN(const BatchState state, own_state(db, lease));
        if (state == BatchState::kCommitted || state == BatchState::kWithdrawn) {
          return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: nothing to hold", lease.batch.text, to_string(state)));
        }
        Lease longer = lease;
        longer.until = now(db) + duration;
        TRY(db.execute("UPDATE batches SET lease_until = ? WHERE id = ?", to_text(longer.until), lease.batch.text));
        return longer;
      },
      Durability::kMayBeLost);
}

Result<void> SqlLedger::pin_target(const Lease& lease, const TargetPin& target) {
  return write("pinning the target", [&](SqlConnection& db) -> Result<void> {
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    if (state != BatchState::kStaging) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: its target is settled", lease.batch.text, to_string(state)));
    }
    TRY(db.execute("UPDATE batches SET target = ?2, table_uuid = ?3, updated_at = ?4 WHERE id = ?1", lease.batch.text, to_json(target),
                   target.table_uuid, now_text(db)));
    return {};
  });
}

Result<void> SqlLedger::store_results(SqlConnection& db, const Lease& lease, std::span<const FileResult> results) {
  std::unordered_set<int64_t> waiting;
  TRY_ASSIGN(auto held, db.query("SELECT id FROM processed_files WHERE ingestion_id = ? AND status = 'PROCESSING' AND batch_id = ?",
                                 lease.ingestion.text, lease.batch.text));
  for (;;) {
    TRY_ASSIGN(const bool more, held.next());
    if (!more) break;
    waiting.insert(held.integer(0));
  }
  for (const FileResult& result : results) {
    const std::string& path = result.file.path;
    if (waiting.erase(result.file.id) == 0) {
      return invalid_input(fmt::format("batch {}: a result for {}, which the batch does not hold", lease.batch.text, path));
    }
  }
  if (!waiting.empty()) {
    return invalid_input(fmt::format("batch {}: {} of its files have no result", lease.batch.text, waiting.size()));
  }
  return insert_results(db, lease.batch, results);
}

Result<int64_t> SqlLedger::prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) {
  return write("preparing a batch", [&](SqlConnection& db) -> Result<int64_t> {
    TRY_ASSIGN(const BatchState state, own_state(db, lease));
    TRY_ASSIGN(const auto earlier, db.query_integer("SELECT seq FROM batches WHERE id = ?", lease.batch.text));
    if (state == BatchState::kPrepared) return earlier.value_or(0);
    if (state != BatchState::kStaging) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it cannot be prepared", lease.batch.text, to_string(state)));
    }
    // One at a time per ingestion: numbers follow one another in the order of their transactions.
    TRY(db.query_integer(fmt::format("SELECT 1 FROM ingestions WHERE id = ?{}", db.dialect().lock_rows), lease.ingestion.text));
    TRY_ASSIGN(const auto highest, highest_seq_of(db, lease.ingestion));
    PreparedBatch record = batch;
    record.seq = highest + 1;
    const std::string now = now_text(db);
    if (record.tracked) TRY(store_results(db, lease, results));
    const RunMetrics sum = metrics_of(results);
    TRY(db.execute(
        "UPDATE batches SET state = 'PREPARED', seq = ?2, target = ?3, table_uuid = ?4, prepared_record = ?5, files_processed = ?6, "
        "files_failed = ?7, files_skipped = ?8, files_unchanged = ?9, records_written = ?10, rows_rescued = ?11, rows_rejected = ?12, "
        "bytes_processed = ?13, updated_at = ?14 WHERE id = ?1",
        lease.batch.text, record.seq, to_json(record.target), record.target.table_uuid, to_json(record), sum.files_processed,
        sum.files_failed, sum.files_skipped, sum.files_unchanged, sum.records_written, sum.rows_rescued, sum.rows_rejected,
        sum.bytes_processed, now));
    return record.seq;
  });
}

Result<Standing> SqlLedger::standing(const Lease& lease) {
  return read("asking for a batch", [&](SqlConnection& db) -> Result<Standing> {
    TRY_ASSIGN(auto rows, db.query("SELECT state, epoch, holder FROM batches WHERE id = ?", lease.batch.text));
    TRY_ASSIGN(const bool found, rows.next());
    if (!found) return Standing{};
    const auto state = parse_batch_state(rows.text_view(0));
    if (!state) return fail(ErrorCode::kCorruption, fmt::format("batch {}: unknown state '{}'", lease.batch.text, rows.text_view(0)));
    return Standing{.ours = rows.integer(1) == lease.epoch && rows.text_view(2) == lease.holder.text, .state = *state};
  });
}

}  // namespace sluice
