// The ledger in one SQLite file: WorkLedger, Registry, RunQueue, ServiceRecords and History over it. Thread-safe: writes go one at a time
// through one connection, questions through another, so they do not wait for writes of other processes. Several processes share the file;
// who of them lives shows in `<file>.workers/`. Its tables: sqlite_schema.cc.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/run_queue.h"
#include "ledger/service_records.h"
#include "ledger/work_ledger.h"
#include "ledger/worker_locks.h"
#include "sql/sqlite.h"

namespace sluice {

class SqliteLedger final : public WorkLedger, public Registry, public RunQueue, public ServiceRecords, public History {
 public:
  /// Opens or makes the file (its folder must exist). `worker` is the one whose claims this object makes, unique per process start;
  /// `clock` must outlive the ledger. kCorruption: the file is damaged or no database; kInvalidInput: another program's or a newer
  /// program's: left as it is.
  static Result<std::unique_ptr<SqliteLedger>> open(const std::string& path, WorkerId worker, Clock& clock);
  /// Whatever is not finished is left for take_over, as after a crash.
  ~SqliteLedger() override;

  // WorkLedger
  LedgerId ledger_id() const override { return ledger_id_; }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) override;
  Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) override;
  Result<std::optional<ClaimedBatch>> claim(const ClaimRequest& request) override;
  Result<ClaimedBatch> open_untracked(const ClaimRequest& request) override;
  Result<Lease> renew(const Lease& lease, std::chrono::microseconds duration) override;
  Result<void> pin_target(const Lease& lease, const TargetPin& target) override;
  void note_in_hand(const Lease& lease, int slot, std::string_view path) override;
  Result<int64_t> prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) override;
  Result<Standing> standing(const Lease& lease) override;
  Result<void> confirm(const Lease& lease, const Published& published) override;
  Result<void> start_withdraw(const Lease& lease, std::string_view reason) override;
  Result<void> finish_withdraw(const Lease& lease, std::string_view reason, bool gently) override;
  Result<std::optional<TakenOver>> take_over(const IngestionId& ingestion, const WorkerId& worker,
                                             std::chrono::microseconds lease) override;
  Result<std::vector<BatchRecord>> withdrawn_to_sweep(const IngestionId& ingestion) override;
  Result<void> mark_swept(const BatchId& batch) override;
  Result<std::optional<BatchRecord>> find_batch(const BatchId& batch) override;
  Result<std::optional<BatchRecord>> last_committed(const IngestionId& ingestion, std::string_view table_uuid) override;
  Result<int64_t> highest_seq(const IngestionId& ingestion) override;
  Result<std::vector<BatchRecord>> live_batches(const IngestionId& ingestion) override;
  Result<Outstanding> outstanding(const IngestionId& ingestion, const RunId& run, int attempts_max) override;
  Result<int64_t> retry(const IngestionId& ingestion, std::span<const std::string> paths) override;
  Result<int64_t> forget(const IngestionId& ingestion, std::span<const std::string> paths) override;
  Result<int64_t> forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) override;

  // Registry
  Result<Ingestion> put_ingestion(const Ingestion& ingestion) override;
  Result<std::optional<Ingestion>> find_ingestion(std::string_view tenant, std::string_view name_or_id) override;
  Result<std::vector<Ingestion>> ingestions(std::string_view tenant) override;
  Result<void> set_status(const IngestionId& id, std::string_view status) override;
  Result<void> delete_ingestion(const IngestionId& id) override;
  Result<RunRecord> start_run(const IngestionId& ingestion, Trigger trigger, const WorkerId& holder) override;
  Result<void> add_to_run(const RunId& run, const RunMetrics& more, const std::vector<std::string>& schema_changes) override;
  Result<RunRecord> finish_run(const RunId& run, RunState state, std::string_view error) override;
  Result<int64_t> close_dead_runs(const IngestionId& ingestion) override;

  // RunQueue
  Result<RequestedRun> request_run(const RunRequest& request) override;
  Result<std::optional<TakenRun>> take_run(const WorkerId& worker) override;
  Result<RunRecord> cancel_run(const RunId& run) override;
  Result<bool> cancel_requested(const RunId& run) override;
  Result<int64_t> pending_runs() override;
  Result<std::vector<Ingestion>> unfinished() override;
  Result<std::vector<ScheduledIngestion>> scheduled() override;

  // ServiceRecords
  Result<void> add_token(const TokenRecord& token) override;
  Result<std::optional<TokenRecord>> find_token(std::string_view id) override;
  Result<std::vector<TokenRecord>> tokens(std::string_view tenant) override;
  Result<void> revoke_token(std::string_view id) override;
  Result<RequestMemory> begin_request(const IdempotentRequest& request) override;
  Result<void> finish_request(std::string_view tenant, std::string_view key, int status, std::string_view body) override;
  Result<void> drop_request(std::string_view tenant, std::string_view key) override;
  Result<int64_t> purge_requests(Timestamp before) override;

  // History
  Result<FilePage> files(const FilesQuery& query) override;
  Result<FileCounts> file_counts(const IngestionId& ingestion) override;
  Result<std::vector<FileAttempt>> attempts(const IngestionId& ingestion, std::string_view path) override;
  Result<std::vector<FileLoad>> loads(const IngestionId& ingestion, std::string_view path) override;
  Result<std::vector<RunRecord>> runs(const RunsQuery& query) override;
  Result<int64_t> run_count(const IngestionId& ingestion) override;
  Result<std::optional<RunRecord>> run(std::string_view run_id) override;
  Result<std::vector<BatchRecord>> batches(const IngestionId& ingestion, int64_t limit) override;

 private:
  SqliteLedger(std::string path, WorkerId worker, Clock& clock);

  Result<void> prepare_file();
  /// Before anything is claimed: our lock is held. Refuses other workers than ours: their lock would show them dead.
  Result<void> hold_lock(const WorkerId& worker);
  void remove_locks_of_the_dead();

  /// One write transaction. `body` uses writer_.
  template <class F>
  auto write(std::string_view doing, F&& body) -> std::invoke_result_t<F> {
    std::lock_guard guard(write_mutex_);
    auto result = writer_->transact(std::forward<F>(body));
    if (!result) return std::unexpected(result.error().within(doing));
    return result;
  }
  /// Questions that see one state of the file, begun now. `body` uses reader_.
  template <class F>
  auto read(std::string_view doing, F&& body) -> std::invoke_result_t<F> {
    std::lock_guard guard(read_mutex_);
    auto result = reader_->read_transact(std::forward<F>(body));
    if (!result) return std::unexpected(result.error().within(doing));
    return result;
  }

  std::string now_text() const { return to_text(clock_.now()); }

  // Inside write(): the state of a batch whose lease this is; kConflict where it is no longer.
  Result<BatchState> own_state(const Lease& lease);
  Result<void> refuse_if_live(const IngestionId& ingestion, std::string_view doing);
  Result<void> refuse_if_held(const IngestionId& ingestion, std::span<const std::string> paths, std::string_view doing);
  Result<std::vector<int64_t>> choose_claimable(const ClaimRequest& request);
  Result<std::optional<ClaimedBatch>> earlier_claim(const ClaimRequest& request);
  static Result<int64_t> highest_seq_of(SqliteConnection& connection, const IngestionId& ingestion);
  Result<Lease> insert_batch(const ClaimRequest& request, bool tracked);
  Result<std::vector<ClaimedFile>> files_in_hand(const IngestionId& ingestion, const BatchId& batch);
  Result<void> store_results(const Lease& lease, std::span<const FileResult> results);
  Result<void> apply_results(const BatchId& batch, const Published& published, std::string_view now);
  Result<void> count_for_run(const BatchId& batch, const Published& published);
  Result<void> release_files(const Lease& lease, BatchState state, bool gently, std::string_view now);
  Result<void> count_deaths(const BatchRecord& batch);
  Result<std::optional<std::string>> id_of_label(const Ingestion& ingestion);
  Result<int64_t> close_dead(const IngestionId& ingestion);
  Result<std::optional<RunRecord>> holding_slot(const IngestionId& ingestion);
  Result<std::optional<RequestOutcome>> refusal(const RunRequest& request);

  const std::string path_;
  const WorkerId worker_;
  Clock& clock_;
  LedgerId ledger_id_;  // constant after open
  WorkerLocks locks_;
  std::mutex write_mutex_;
  std::unique_ptr<SqliteConnection> writer_;  // protected by write_mutex_
  std::mutex read_mutex_;
  std::unique_ptr<SqliteConnection> reader_;  // protected by read_mutex_
};

}  // namespace sluice
