// WorkLedger (with the cursors it opens), Registry and History whose every operation asks a FaultPlan first; names are "ledger.claim",
// "ledger.known_files.next", "registry.start_run", "history.files". They must outlive them. Thread-safe as the wrapped parts are.
#pragma once

#include "fault_plan.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/work_ledger.h"

namespace sluice {

class FaultyLedger final : public WorkLedger {
 public:
  FaultyLedger(WorkLedger& ledger, FaultPlan& plan) : ledger_(ledger), plan_(plan) {}

  LedgerId ledger_id() const override { return ledger_.ledger_id(); }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) override;
  Result<std::unique_ptr<KnownFiles>> known_members(const IngestionId& ingestion, const SourceId& source,
                                                    const std::string& archive) override;
  Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) override;
  Result<std::optional<ClaimedBatch>> claim(const ClaimRequest& request) override;
  Result<ClaimedBatch> open_untracked(const ClaimRequest& request) override;
  Result<Lease> renew(const Lease& lease, std::chrono::microseconds duration) override;
  Result<void> pin_target(const Lease& lease, const TargetPin& target) override;
  Result<std::vector<KeyClaim>> claim_keys(const Lease& lease, std::string_view target, std::span<const KeyRequest> requests) override;
  void note_in_hand(const Lease& lease, int slot, std::string_view path) override;
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

 private:
  WorkLedger& ledger_;
  FaultPlan& plan_;
};

class FaultyRegistry final : public Registry {
 public:
  FaultyRegistry(Registry& registry, FaultPlan& plan) : registry_(registry), plan_(plan) {}

  Result<Ingestion> put_ingestion(const Ingestion& ingestion) override;
  Result<std::optional<Ingestion>> find_ingestion(std::string_view tenant, std::string_view name_or_id) override;
  Result<std::vector<Ingestion>> ingestions(std::string_view tenant) override;
  Result<void> set_status(const IngestionId& id, std::string_view status) override;
  Result<void> delete_ingestion(const IngestionId& id) override;
  Result<RunRecord> start_run(const IngestionId& ingestion, Trigger trigger, const WorkerId& holder) override;
  Result<void> add_to_run(const RunId& run, const RunMetrics& more, const std::vector<std::string>& schema_changes) override;
  Result<RunRecord> finish_run(const RunId& run, RunState state, std::string_view error) override;
  Result<int64_t> close_dead_runs(const IngestionId& ingestion) override;

 private:
  Registry& registry_;
  FaultPlan& plan_;
};

class FaultyHistory final : public History {
 public:
  FaultyHistory(History& history, FaultPlan& plan) : history_(history), plan_(plan) {}

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

 private:
  History& history_;
  FaultPlan& plan_;
};

}  // namespace sluice
