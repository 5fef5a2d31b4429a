// Batches up to the prepared record: claim, lease, target, prepare, standing.
#include <fmt/format.h>

#include <unordered_set>

#include "ledger/sqlite_ledger.h"
#include "ledger/sqlite_rows.h"

namespace sluice {
namespace {

// What confirm will add to the run; counted when the results are known, for untracked batches keep no results.
RunMetrics metrics_of(std::span<const FileResult> results) {
  RunMetrics sum;
  for (const FileResult& result : results) {
    switch (result.outcome) {
      case FileOutcome::kLoaded: ++sum.files_processed; break;
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

std::string ids_as_json(const std::vector<int64_t>& ids) { return fmt::format("[{}]", fmt::join(ids, ",")); }

// Row by row: see the note in sqlite_ledger_discovery.cc.
constexpr std::string_view kInsertResult =
    "INSERT INTO batch_results (file_id, batch_id, outcome, records_ingested, bytes_read, processing_duration_ms, file_format, "
    "content_hash, error_type, error_message, error_line, error_byte) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kInsertPiece =
    "INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count) VALUES (?, ?, ?, ?, ?, ?, ?)";

std::string error_type_of(const Error& error) { return error.type.empty() ? std::string(to_string(error.code)) : error.type; }

}  // namespace

Result<BatchState> SqliteLedger::own_state(const Lease& lease) {
  TRY_ASSIGN(auto rows, writer_->query("SELECT state, epoch, holder FROM batches WHERE id = ?", lease.batch.text));
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

/// Record ids of the next files, in order, within the limits; one file alone if it may have killed a worker.
Result<std::vector<int64_t>> SqliteLedger::choose_claimable(const ClaimRequest& request) {
  const std::string only = request.only.empty() ? "" : " AND id IN (SELECT value FROM json_each(?5))";
  const auto waiting = [&](std::string_view which, std::string_view deaths) {
    return fmt::format(
        "SELECT id, file_size_bytes, file_path, file_modified_at FROM processed_files WHERE ingestion_id = ?1 AND {} AND worker_deaths "
        "{}{}",
        which, deaths, only);
  };
  const auto choose = [&](std::string_view deaths, int64_t files_max) -> Result<std::vector<int64_t>> {
    // Two walks through idx_processed_files_ingestion_status, merged: nothing is sorted, and no more is read than is claimed.
    const std::string sql = fmt::format("{} UNION ALL {} ORDER BY {} LIMIT ?4", waiting(kWaitingDiscovered, deaths),
                                        waiting(kWaitingFailed, deaths), request.order == "time" ? "4, 3" : "3");
    std::vector<SqlParam> params = {request.ingestion.text, request.attempts_max, request.run.text, files_max};
    const std::string ids = ids_as_json(request.only);
    if (!request.only.empty()) params.emplace_back(ids);
    TRY_ASSIGN(auto rows, writer_->query_list(sql, params));
    std::vector<int64_t> chosen;
    int64_t bytes = 0;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return chosen;
      bytes += rows.integer(1);
      if (!chosen.empty() && bytes > request.limits.bytes_max) return chosen;
      chosen.push_back(rows.integer(0));
    }
  };
  TRY_ASSIGN(auto healthy, choose("= 0", std::max<int64_t>(1, request.limits.files_max)));
  if (!healthy.empty()) return healthy;
  return choose("> 0", 1);
}

Result<std::vector<ClaimedFile>> SqliteLedger::files_in_hand(const IngestionId& ingestion, const BatchId& batch) {
  TRY_ASSIGN(auto rows, writer_->query(fmt::format("SELECT {} FROM processed_files WHERE ingestion_id = ? AND status = 'PROCESSING' "
                                                   "AND batch_id = ? ORDER BY file_path",
                                                   kClaimedFileColumns),
                                       ingestion.text, batch.text));
  return all_rows(std::move(rows), claimed_file_from);
}

/// The answer to a claim that was made before and whose answer got lost.
Result<std::optional<ClaimedBatch>> SqliteLedger::earlier_claim(const ClaimRequest& request) {
  TRY_ASSIGN(auto rows,
             writer_->query("SELECT state, epoch, holder, lease_until, tracked, run_id FROM batches WHERE id = ?", request.batch.text));
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
  TRY_ASSIGN(claimed.files, files_in_hand(request.ingestion, request.batch));
  return claimed;
}

Result<Lease> SqliteLedger::insert_batch(const ClaimRequest& request, bool tracked) {
  const Timestamp now = clock_.now();
  Lease lease{.batch = request.batch, .ingestion = request.ingestion, .epoch = 1, .holder = request.worker, .until = now + request.lease};
  TRY(
      writer_->execute("INSERT INTO batches (id, ingestion_id, run_id, state, tracked, epoch, holder, lease_until, created_at, updated_at) "
                       "VALUES (?1, ?2, ?3, 'STAGING', ?4, ?5, ?6, ?7, ?8, ?8)",
                       lease.batch.text, lease.ingestion.text, request.run.text, tracked, lease.epoch, lease.holder.text,
                       to_text(lease.until), to_text(now)));
  return lease;
}

Result<std::optional<ClaimedBatch>> SqliteLedger::claim(const ClaimRequest& request) {
  TRY(hold_lock(request.worker));
  return write("claiming files", [&]() -> Result<std::optional<ClaimedBatch>> {
    TRY_ASSIGN(auto earlier, earlier_claim(request));
    if (earlier) return earlier;
    TRY_ASSIGN(const auto chosen, choose_claimable(request));
    if (chosen.empty()) return std::nullopt;
    ClaimedBatch claimed{.run = request.run, .tracked = true};
    TRY_ASSIGN(claimed.lease, insert_batch(request, true));
    // One statement for all: each that changes foreign keys first saves every page it touches. The run is written apart, and only where
    // it is another: naming the column in the first statement would cost every file two changes of its index.
    const std::string ids = ids_as_json(chosen);
    TRY(
        writer_->execute("UPDATE processed_files SET status = 'PROCESSING', batch_id = ?2, retry_count = retry_count + 1, "
                         "processing_started_at = ?3, updated_at = ?3 WHERE id IN (SELECT value FROM json_each(?1))",
                         ids, request.batch.text, now_text()));
    TRY(writer_->execute("UPDATE processed_files SET run_id = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND run_id IS NOT ?2", ids,
                         request.run.text));
    TRY_ASSIGN(claimed.files, files_in_hand(request.ingestion, request.batch));
    return claimed;
  });
}

Result<ClaimedBatch> SqliteLedger::open_untracked(const ClaimRequest& request) {
  TRY(hold_lock(request.worker));
  return write("opening an untracked batch", [&]() -> Result<ClaimedBatch> {
    TRY_ASSIGN(auto earlier, earlier_claim(request));
    if (earlier) return *std::move(earlier);
    ClaimedBatch claimed{.run = request.run, .tracked = false};
    TRY_ASSIGN(claimed.lease, insert_batch(request, false));
    return claimed;
  });
}

Result<Lease> SqliteLedger::renew(const Lease& lease, std::chrono::microseconds duration) {
  return write("renewing a lease", [&]() -> Result<Lease> {
    TRY_ASSIGN(const BatchState state, own_state(lease));
    if (state == BatchState::kCommitted || state == BatchState::kWithdrawn) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: nothing to hold", lease.batch.text, to_string(state)));
    }
    Lease longer = lease;
    longer.until = clock_.now() + duration;
    TRY(writer_->execute("UPDATE batches SET lease_until = ? WHERE id = ?", to_text(longer.until), lease.batch.text));
    return longer;
  });
}

Result<void> SqliteLedger::pin_target(const Lease& lease, const TargetPin& target) {
  return write("pinning the target", [&]() -> Result<void> {
    TRY_ASSIGN(const BatchState state, own_state(lease));
    if (state != BatchState::kStaging) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: its target is settled", lease.batch.text, to_string(state)));
    }
    TRY(writer_->execute("UPDATE batches SET target = ?2, table_uuid = ?3, updated_at = ?4 WHERE id = ?1", lease.batch.text,
                         to_json(target), target.table_uuid, now_text()));
    return {};
  });
}

void SqliteLedger::note_in_hand(const Lease& lease, int slot, std::string_view path) { locks_.note_in_hand(slot, lease.batch, path); }

Result<void> SqliteLedger::store_results(const Lease& lease, std::span<const FileResult> results) {
  std::unordered_set<int64_t> waiting;
  TRY_ASSIGN(auto held, writer_->query("SELECT id FROM processed_files WHERE ingestion_id = ? AND status = 'PROCESSING' AND batch_id = ?",
                                       lease.ingestion.text, lease.batch.text));
  for (;;) {
    TRY_ASSIGN(const bool more, held.next());
    if (!more) break;
    waiting.insert(held.integer(0));
  }
  TRY_ASSIGN(auto insert_result, writer_->prepare(kInsertResult));
  TRY_ASSIGN(auto insert_piece, writer_->prepare(kInsertPiece));
  for (const FileResult& result : results) {
    const std::string& path = result.file.path;
    if (waiting.erase(result.file.id) == 0) {
      return invalid_input(fmt::format("batch {}: a result for {}, which the batch does not hold", lease.batch.text, path));
    }
    const Error error = result.error.value_or(Error{});
    TRY(insert_result.execute(result.file.id, lease.batch.text, to_string(result.outcome), result.rows, result.bytes_read,
                              result.duration_ms, result.format, result.content_hash, result.error ? error_type_of(error) : std::string(),
                              error.message, error.line, error.byte));
    const bool known_from_here = result.outcome == FileOutcome::kLoaded || result.outcome == FileOutcome::kUnchanged;
    if (!known_from_here) continue;
    int64_t piece = 0;
    const auto remember = [&](const std::optional<std::string>& data_file, int64_t first_row, int64_t row_count) {
      return insert_piece.execute(lease.batch.text, path, result.file.version, piece++, data_file, first_row, row_count);
    };
    if (result.outcome == FileOutcome::kUnchanged || result.ranges.empty()) {
      TRY(remember(std::nullopt, 0, 0));
      continue;
    }
    for (const RowRange& range : result.ranges) TRY(remember(range.data_file, range.first_row, range.row_count));
  }
  if (!waiting.empty()) {
    return invalid_input(fmt::format("batch {}: {} of its files have no result", lease.batch.text, waiting.size()));
  }
  return {};
}

Result<int64_t> SqliteLedger::prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) {
  return write("preparing a batch", [&]() -> Result<int64_t> {
    TRY_ASSIGN(const BatchState state, own_state(lease));
    TRY_ASSIGN(const auto earlier, writer_->query_integer("SELECT seq FROM batches WHERE id = ?", lease.batch.text));
    if (state == BatchState::kPrepared) return earlier.value_or(0);
    if (state != BatchState::kStaging) {
      return fail(ErrorCode::kConflict, fmt::format("batch {} is {}: it cannot be prepared", lease.batch.text, to_string(state)));
    }
    TRY_ASSIGN(const auto highest, highest_seq_of(*writer_, lease.ingestion));
    PreparedBatch record = batch;
    record.seq = highest + 1;
    const std::string now = now_text();
    if (record.tracked) TRY(store_results(lease, results));
    const RunMetrics sum = metrics_of(results);
    TRY(writer_->execute(
        "UPDATE batches SET state = 'PREPARED', seq = ?2, target = ?3, table_uuid = ?4, prepared_record = ?5, files_processed = ?6, "
        "files_failed = ?7, files_skipped = ?8, files_unchanged = ?9, records_written = ?10, rows_rescued = ?11, rows_rejected = ?12, "
        "bytes_processed = ?13, updated_at = ?14 WHERE id = ?1",
        lease.batch.text, record.seq, to_json(record.target), record.target.table_uuid, to_json(record), sum.files_processed,
        sum.files_failed, sum.files_skipped, sum.files_unchanged, sum.records_written, sum.rows_rescued, sum.rows_rejected,
        sum.bytes_processed, now));
    return record.seq;
  });
}

Result<Standing> SqliteLedger::standing(const Lease& lease) {
  return read("asking for a batch", [&]() -> Result<Standing> {
    TRY_ASSIGN(auto rows, reader_->query("SELECT state, epoch, holder FROM batches WHERE id = ?", lease.batch.text));
    TRY_ASSIGN(const bool found, rows.next());
    if (!found) return Standing{};
    const auto state = parse_batch_state(rows.text_view(0));
    if (!state) return fail(ErrorCode::kCorruption, fmt::format("batch {}: unknown state '{}'", lease.batch.text, rows.text_view(0)));
    return Standing{.ours = rows.integer(1) == lease.epoch && rows.text_view(2) == lease.holder.text, .state = *state};
  });
}

}  // namespace sluice
