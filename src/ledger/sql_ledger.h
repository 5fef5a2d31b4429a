// The ledger over a SQL database: what SQLite and PostgreSQL do alike, once. The rules of every state change are here; how transactions are
// begun, who of the workers lives, and everything done to many files at once belongs to the databases' own classes.
// SQL here is what both understand, with SqlDialect's words where they differ; rows that a decision rests on are read with `lock_rows`.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/redaction.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/run_queue.h"
#include "ledger/service_records.h"
#include "ledger/work_ledger.h"
#include "sql/sql_connection.h"

namespace sluice {

class SqlLedger : public WorkLedger, public Registry, public RunQueue, public ServiceRecords, public History {
 public:
  /// What it hides is also kept out of the errors and reasons that are stored; without one only what looks like a secret is. Before the
  /// ledger is used; must outlive it.
  void hide(const Redaction& redaction) { redaction_ = &redaction; }

  // WorkLedger
  Result<std::optional<ClaimedBatch>> claim(const ClaimRequest& request) override;
  Result<ClaimedBatch> open_untracked(const ClaimRequest& request) override;
  Result<Lease> renew(const Lease& lease, std::chrono::microseconds duration) override;
  Result<void> pin_target(const Lease& lease, const TargetPin& target) override;
  Result<std::vector<KeyClaim>> claim_keys(const Lease& lease, std::string_view target, std::span<const KeyRequest> requests) override;
  Result<int64_t> prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) override;
  Result<Standing> standing(const Lease& lease) override;
  Result<void> confirm(const Lease& lease, const Published& published) override;
  Result<void> start_withdraw(const Lease& lease, std::string_view reason) override;
  Result<void> finish_withdraw(const Lease& lease, std::string_view reason, bool gently) override;
  Result<std::optional<TakenOver>> take_over(const IngestionId& ingestion, const WorkerId& worker,
                                             std::chrono::microseconds lease) override;
  Result<std::vector<BatchRecord>> batches_to_sweep(const IngestionId& ingestion) override;
  Result<void> mark_swept(const BatchId& batch) override;
  Result<std::optional<BatchRecord>> find_batch(const BatchId& batch) override;
  Result<std::optional<BatchRecord>> last_committed(const IngestionId& ingestion, std::string_view table_uuid) override;
  Result<std::optional<TargetPin>> last_target(const IngestionId& ingestion) override;
  Result<int64_t> highest_seq(const IngestionId& ingestion) override;
  Result<std::vector<BatchRecord>> live_batches(const IngestionId& ingestion) override;
  Result<Outstanding> outstanding(const IngestionId& ingestion, const RunId& run, int attempts_max) override;
  Result<int64_t> retry(const IngestionId& ingestion, std::span<const std::string> paths) override;
  Result<int64_t> release_waiting(const IngestionId& ingestion) override;
  Result<int64_t> forget(const IngestionId& ingestion, std::span<const std::string> paths) override;
  Result<int64_t> forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) override;
  Result<void> adopt(const IngestionId& ingestion, std::span<const BatchId> batches, std::span<const AdoptedFile> files,
                     int64_t seq_floor) override;
  Result<int64_t> count_adopted(const IngestionId& ingestion) override;
  Result<std::vector<EndedFile>> ended_files(const IngestionId& ingestion, const SourceId& source, int attempts_max,
                                             std::span<const std::string> paths) override;
  Result<void> record_disposed(const IngestionId& ingestion, const SourceId& source, std::span<const EndedFile> files) override;

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
  Result<IngestionPage> ingestion_page(const IngestionsQuery& query) override;
  Result<void> visit_files(const IngestionId& ingestion, const std::function<Result<void>(const FileRecord&)>& visit) override;
  Result<FileCounts> file_counts(const IngestionId& ingestion) override;
  Result<std::vector<WaitingFiles>> waiting_for_approval(const IngestionId& ingestion) override;
  Result<std::vector<FileAttempt>> attempts(const IngestionId& ingestion, std::string_view path) override;
  Result<std::vector<FileLoad>> loads(const IngestionId& ingestion, std::string_view path) override;
  Result<std::vector<RunRecord>> runs(const RunsQuery& query) override;
  Result<int64_t> run_count(const IngestionId& ingestion) override;
  Result<std::optional<RunRecord>> run(std::string_view run_id) override;
  Result<std::vector<BatchRecord>> batches(const IngestionId& ingestion, int64_t limit) override;

 protected:
  using Body = std::function<Result<void>(SqlConnection&)>;

  /// What a server that dies may forget of an acknowledged transaction.
  enum class Durability {
    kDurable,
    kMayBeLost,  ///< the next one like it makes up for it
  };

  /// One write transaction. `body` may run again from its beginning where the database asked for it.
  virtual Result<void> run_write(Durability durability, const Body& body) = 0;
  /// Questions that see one state of the ledger, begun now.
  virtual Result<void> run_read(const Body& body) = 0;
  /// The ledger's time; inside run_write.
  virtual Timestamp now(SqlConnection& db) = 0;
  /// Before anything is held in the worker's name: others see that it lives. Refuses other workers than ours.
  virtual Result<void> hold_lock(const WorkerId& worker) = 0;
  virtual Result<bool> is_dead(SqlConnection& db, const WorkerId& worker) = 0;
  /// Paths of the batch's files that the worker noted last.
  virtual Result<std::vector<std::string>> in_hand(SqlConnection& db, const WorkerId& worker, const BatchId& batch) = 0;
  /// Of runs.sequence, as SQL.
  virtual std::string_view next_run_sequence() const = 0;
  /// Rows of batch_results and batch_files.
  virtual Result<void> insert_results(SqlConnection& db, const BatchId& batch, std::span<const FileResult> results) = 0;
  /// Where members are recorded; the record of their archive is left as it is otherwise.
  static Result<void> note_archive_format(SqlConnection& db, const DiscoverRequest& request);

  template <class F>
  auto write(std::string_view doing, F&& body, Durability durability = Durability::kDurable) {
    return returned_from(doing, body, [&](const Body& run) { return run_write(durability, run); });
  }
  template <class F>
  auto read(std::string_view doing, F&& body) {
    return returned_from(doing, body, [&](const Body& run) { return run_read(run); });
  }

  std::string now_text(SqlConnection& db) { return to_text(now(db)); }
  /// The text of an error or a reason as it may be stored.
  std::string storable(std::string_view text) const {
    if (text.empty()) return {};
    return redaction_ ? redaction_->apply(std::string(text)) : without_secrets(std::string(text));
  }
  /// The error_type that a result's error is stored with.
  static std::string error_type_of(const FileResult& result);
  /// The message that goes with it.
  std::string error_message_of(const FileResult& result) const;

  /// A row of batch_files.
  struct FilePiece {
    std::optional<std::string> data_file;  ///< nullopt: the file put no row into the table
    int64_t first_row = 0, row_count = 0;
    std::string_view content_hash;  ///< of the whole file, in its first piece, where the record will not have it; of the result
  };
  /// What the history keeps of a file once its batch is committed; none: its version is not loaded by it.
  static std::vector<FilePiece> pieces_of(const FileResult& result);

 private:
  /// What `body` returned, carried through a transaction.
  template <class F, class Run>
  static auto returned_from(std::string_view doing, F& body, Run&& run) -> std::invoke_result_t<F, SqlConnection&> {
    std::optional<std::invoke_result_t<F, SqlConnection&>> returned;
    const Result<void> done = run([&](SqlConnection& db) -> Result<void> {
      returned.emplace(body(db));
      if (!*returned) return std::unexpected(returned->error());
      return {};
    });
    if (!done) return std::unexpected(done.error().within(doing));
    return *std::move(returned);
  }

  // All inside write().
  /// The state of a batch whose lease this is; kConflict where it is no longer.
  Result<BatchState> own_state(SqlConnection& db, const Lease& lease);
  Result<void> refuse_if_live(SqlConnection& db, const IngestionId& ingestion, std::string_view doing);
  Result<void> refuse_if_held(SqlConnection& db, const IngestionId& ingestion, std::span<const std::string> paths, std::string_view doing);
  /// What a claim takes, as it will be claimed.
  struct Claimable {
    std::vector<ClaimedFile> files;
    std::vector<int64_t> seen_by_others;  ///< ids of those of them that another run saw or tried last
  };
  Result<Claimable> choose_claimable(SqlConnection& db, const ClaimRequest& request);
  Result<std::optional<ClaimedBatch>> earlier_claim(SqlConnection& db, const ClaimRequest& request);
  static Result<int64_t> highest_seq_of(SqlConnection& db, const IngestionId& ingestion);
  Result<Lease> insert_batch(SqlConnection& db, const ClaimRequest& request, bool tracked);
  Result<std::vector<ClaimedFile>> files_in_hand(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch);
  Result<KeyClaim> claim_key(SqlConnection& db, const Lease& lease, std::string_view target, const KeyRequest& request,
                             std::string_view now);
  Result<void> store_results(SqlConnection& db, const Lease& lease, std::span<const FileResult> results);
  Result<std::set<FileOutcome>> outcomes_of(SqlConnection& db, const BatchId& batch);
  Result<void> apply_results(SqlConnection& db, const BatchId& batch, const Published& published, std::string_view now);
  Result<void> reopen_archives_of_vanished(SqlConnection& db, const BatchId& batch, std::string_view now);
  Result<void> reopen_archive(SqlConnection& db, const IngestionId& ingestion, std::string archive, std::string_view now);
  static Result<std::vector<std::string>> with_members(SqlConnection& db, const IngestionId& ingestion, std::span<const std::string> paths);
  Result<void> count_for_run(SqlConnection& db, const BatchId& batch, const Published& published);
  Result<void> release_files(SqlConnection& db, const Lease& lease, BatchState state, bool gently, std::string_view now);
  Result<void> count_deaths(SqlConnection& db, const BatchRecord& batch);
  Result<void> adopt_batch(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch, std::string_view reason);
  Result<void> end_adopted(SqlConnection& db, const IngestionId& ingestion, const BatchId& batch);
  Result<std::optional<std::string>> id_of_label(SqlConnection& db, const Ingestion& ingestion);
  Result<Ingestion> try_put_ingestion(const Ingestion& ingestion);
  Result<int64_t> close_dead(SqlConnection& db, const IngestionId& ingestion);
  Result<std::optional<RunRecord>> holding_slot(SqlConnection& db, const IngestionId& ingestion);
  Result<std::optional<RequestOutcome>> refusal(SqlConnection& db, const RunRequest& request);
  Result<RequestMemory> try_begin_request(const IdempotentRequest& request);

  const Redaction* redaction_ = nullptr;  // constant once the ledger is used
};

}  // namespace sluice
