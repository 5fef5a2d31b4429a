#include "faulty_ledger.h"

namespace sluice {
namespace {

class FaultyKnownFiles final : public KnownFiles {
 public:
  FaultyKnownFiles(std::unique_ptr<KnownFiles> files, FaultPlan& plan) : files_(std::move(files)), plan_(plan) {}

  Result<std::optional<KnownFile>> next() override {
    return plan_.run("ledger.known_files.next", Effect::kRead, [&] { return files_->next(); });
  }

 private:
  const std::unique_ptr<KnownFiles> files_;
  FaultPlan& plan_;
};

}  // namespace

Result<std::unique_ptr<KnownFiles>> FaultyLedger::known_files(const IngestionId& ingestion, const SourceId& source) {
  TRY_ASSIGN(auto files, plan_.run("ledger.known_files", Effect::kRead, [&] { return ledger_.known_files(ingestion, source); }));
  return std::make_unique<FaultyKnownFiles>(std::move(files), plan_);
}

Result<std::unique_ptr<KnownFiles>> FaultyLedger::known_members(const IngestionId& ingestion, const SourceId& source,
                                                                const std::string& archive) {
  TRY_ASSIGN(auto files,
             plan_.run("ledger.known_members", Effect::kRead, [&] { return ledger_.known_members(ingestion, source, archive); }));
  return std::make_unique<FaultyKnownFiles>(std::move(files), plan_);
}

void FaultyLedger::note_in_hand(const Lease& lease, int slot, std::string_view path) {
  // It cannot fail: only a dead process does not note.
  if (!plan_.crashed()) ledger_.note_in_hand(lease, slot, path);
}

Result<DiscoverResult> FaultyLedger::record_discovered(const DiscoverRequest& request, std::span<const Seen> files) {
  return plan_.run("ledger.record_discovered", Effect::kWrite, [&] { return ledger_.record_discovered(request, files); });
}

Result<std::optional<ClaimedBatch>> FaultyLedger::claim(const ClaimRequest& request) {
  return plan_.run("ledger.claim", Effect::kWrite, [&] { return ledger_.claim(request); });
}

Result<ClaimedBatch> FaultyLedger::open_untracked(const ClaimRequest& request) {
  return plan_.run("ledger.open_untracked", Effect::kWrite, [&] { return ledger_.open_untracked(request); });
}

Result<Lease> FaultyLedger::renew(const Lease& lease, std::chrono::microseconds duration) {
  return plan_.run("ledger.renew", Effect::kWrite, [&] { return ledger_.renew(lease, duration); });
}

Result<void> FaultyLedger::pin_target(const Lease& lease, const TargetPin& target) {
  return plan_.run("ledger.pin_target", Effect::kWrite, [&] { return ledger_.pin_target(lease, target); });
}

Result<std::vector<KeyClaim>> FaultyLedger::claim_keys(const Lease& lease, std::string_view target, std::span<const KeyRequest> requests) {
  return plan_.run("ledger.claim_keys", Effect::kWrite, [&] { return ledger_.claim_keys(lease, target, requests); });
}

Result<int64_t> FaultyLedger::prepare(const Lease& lease, const PreparedBatch& batch, std::span<const FileResult> results) {
  return plan_.run("ledger.prepare", Effect::kWrite, [&] { return ledger_.prepare(lease, batch, results); });
}

Result<Standing> FaultyLedger::standing(const Lease& lease) {
  return plan_.run("ledger.standing", Effect::kRead, [&] { return ledger_.standing(lease); });
}

Result<void> FaultyLedger::confirm(const Lease& lease, const Published& published) {
  return plan_.run("ledger.confirm", Effect::kWrite, [&] { return ledger_.confirm(lease, published); });
}

Result<void> FaultyLedger::start_withdraw(const Lease& lease, std::string_view reason) {
  return plan_.run("ledger.start_withdraw", Effect::kWrite, [&] { return ledger_.start_withdraw(lease, reason); });
}

Result<void> FaultyLedger::finish_withdraw(const Lease& lease, std::string_view reason, bool gently) {
  return plan_.run("ledger.finish_withdraw", Effect::kWrite, [&] { return ledger_.finish_withdraw(lease, reason, gently); });
}

Result<std::optional<TakenOver>> FaultyLedger::take_over(const IngestionId& ingestion, const WorkerId& worker,
                                                         std::chrono::microseconds lease) {
  return plan_.run("ledger.take_over", Effect::kWrite, [&] { return ledger_.take_over(ingestion, worker, lease); });
}

Result<std::vector<BatchRecord>> FaultyLedger::batches_to_sweep(const IngestionId& ingestion) {
  return plan_.run("ledger.batches_to_sweep", Effect::kRead, [&] { return ledger_.batches_to_sweep(ingestion); });
}

Result<void> FaultyLedger::mark_swept(const BatchId& batch) {
  return plan_.run("ledger.mark_swept", Effect::kWrite, [&] { return ledger_.mark_swept(batch); });
}

Result<std::optional<BatchRecord>> FaultyLedger::find_batch(const BatchId& batch) {
  return plan_.run("ledger.find_batch", Effect::kRead, [&] { return ledger_.find_batch(batch); });
}

Result<std::optional<BatchRecord>> FaultyLedger::last_committed(const IngestionId& ingestion, std::string_view table_uuid) {
  return plan_.run("ledger.last_committed", Effect::kRead, [&] { return ledger_.last_committed(ingestion, table_uuid); });
}

Result<std::optional<TargetPin>> FaultyLedger::last_target(const IngestionId& ingestion) {
  return plan_.run("ledger.last_target", Effect::kRead, [&] { return ledger_.last_target(ingestion); });
}

Result<int64_t> FaultyLedger::highest_seq(const IngestionId& ingestion) {
  return plan_.run("ledger.highest_seq", Effect::kRead, [&] { return ledger_.highest_seq(ingestion); });
}

Result<std::vector<BatchRecord>> FaultyLedger::live_batches(const IngestionId& ingestion) {
  return plan_.run("ledger.live_batches", Effect::kRead, [&] { return ledger_.live_batches(ingestion); });
}

Result<Outstanding> FaultyLedger::outstanding(const IngestionId& ingestion, const RunId& run, int attempts_max) {
  return plan_.run("ledger.outstanding", Effect::kRead, [&] { return ledger_.outstanding(ingestion, run, attempts_max); });
}

Result<int64_t> FaultyLedger::retry(const IngestionId& ingestion, std::span<const std::string> paths) {
  return plan_.run("ledger.retry", Effect::kWrite, [&] { return ledger_.retry(ingestion, paths); });
}

Result<int64_t> FaultyLedger::release_waiting(const IngestionId& ingestion) {
  return plan_.run("ledger.release_waiting", Effect::kRepeatable, [&] { return ledger_.release_waiting(ingestion); });
}

Result<int64_t> FaultyLedger::forget(const IngestionId& ingestion, std::span<const std::string> paths) {
  return plan_.run("ledger.forget", Effect::kWrite, [&] { return ledger_.forget(ingestion, paths); });
}

Result<int64_t> FaultyLedger::forget_all(const IngestionId& ingestion, std::span<const BatchId> foreign, int64_t seq_floor) {
  return plan_.run("ledger.forget_all", Effect::kWrite, [&] { return ledger_.forget_all(ingestion, foreign, seq_floor); });
}

Result<void> FaultyLedger::adopt(const IngestionId& ingestion, std::span<const BatchId> batches, std::span<const AdoptedFile> files,
                                 int64_t seq_floor) {
  return plan_.run("ledger.adopt", Effect::kWrite, [&] { return ledger_.adopt(ingestion, batches, files, seq_floor); });
}

Result<int64_t> FaultyLedger::count_adopted(const IngestionId& ingestion) {
  return plan_.run("ledger.count_adopted", Effect::kWrite, [&] { return ledger_.count_adopted(ingestion); });
}

Result<std::vector<EndedFile>> FaultyLedger::ended_files(const IngestionId& ingestion, const SourceId& source, int attempts_max,
                                                         std::span<const std::string> paths) {
  return plan_.run("ledger.ended_files", Effect::kRead, [&] { return ledger_.ended_files(ingestion, source, attempts_max, paths); });
}

Result<void> FaultyLedger::record_disposed(const IngestionId& ingestion, const SourceId& source, std::span<const EndedFile> files) {
  return plan_.run("ledger.record_disposed", Effect::kRepeatable, [&] { return ledger_.record_disposed(ingestion, source, files); });
}

Result<Ingestion> FaultyRegistry::put_ingestion(const Ingestion& ingestion) {
  return plan_.run("registry.put_ingestion", Effect::kWrite, [&] { return registry_.put_ingestion(ingestion); });
}

Result<std::optional<Ingestion>> FaultyRegistry::find_ingestion(std::string_view tenant, std::string_view name_or_id) {
  return plan_.run("registry.find_ingestion", Effect::kRead, [&] { return registry_.find_ingestion(tenant, name_or_id); });
}

Result<std::vector<Ingestion>> FaultyRegistry::ingestions(std::string_view tenant) {
  return plan_.run("registry.ingestions", Effect::kRead, [&] { return registry_.ingestions(tenant); });
}

Result<void> FaultyRegistry::set_status(const IngestionId& id, std::string_view status) {
  return plan_.run("registry.set_status", Effect::kWrite, [&] { return registry_.set_status(id, status); });
}

Result<void> FaultyRegistry::delete_ingestion(const IngestionId& id) {
  return plan_.run("registry.delete_ingestion", Effect::kWrite, [&] { return registry_.delete_ingestion(id); });
}

Result<RunRecord> FaultyRegistry::start_run(const IngestionId& ingestion, Trigger trigger, const WorkerId& holder) {
  return plan_.run("registry.start_run", Effect::kWrite, [&] { return registry_.start_run(ingestion, trigger, holder); });
}

Result<void> FaultyRegistry::add_to_run(const RunId& run, const RunMetrics& more, const std::vector<std::string>& schema_changes) {
  return plan_.run("registry.add_to_run", Effect::kWrite, [&] { return registry_.add_to_run(run, more, schema_changes); });
}

Result<RunRecord> FaultyRegistry::finish_run(const RunId& run, RunState state, std::string_view error) {
  return plan_.run("registry.finish_run", Effect::kWrite, [&] { return registry_.finish_run(run, state, error); });
}

Result<int64_t> FaultyRegistry::close_dead_runs(const IngestionId& ingestion) {
  return plan_.run("registry.close_dead_runs", Effect::kWrite, [&] { return registry_.close_dead_runs(ingestion); });
}

Result<FilePage> FaultyHistory::files(const FilesQuery& query) {
  return plan_.run("history.files", Effect::kRead, [&] { return history_.files(query); });
}

Result<IngestionPage> FaultyHistory::ingestion_page(const IngestionsQuery& query) {
  return plan_.run("history.ingestion_page", Effect::kRead, [&] { return history_.ingestion_page(query); });
}

Result<void> FaultyHistory::visit_files(const IngestionId& ingestion, const std::function<Result<void>(const FileRecord&)>& visit) {
  return plan_.run("history.visit_files", Effect::kRead, [&] { return history_.visit_files(ingestion, visit); });
}

Result<FileCounts> FaultyHistory::file_counts(const IngestionId& ingestion) {
  return plan_.run("history.file_counts", Effect::kRead, [&] { return history_.file_counts(ingestion); });
}

Result<std::vector<WaitingFiles>> FaultyHistory::waiting_for_approval(const IngestionId& ingestion) {
  return plan_.run("history.waiting_for_approval", Effect::kRead, [&] { return history_.waiting_for_approval(ingestion); });
}

Result<std::vector<FileAttempt>> FaultyHistory::attempts(const IngestionId& ingestion, std::string_view path) {
  return plan_.run("history.attempts", Effect::kRead, [&] { return history_.attempts(ingestion, path); });
}

Result<std::vector<FileLoad>> FaultyHistory::loads(const IngestionId& ingestion, std::string_view path) {
  return plan_.run("history.loads", Effect::kRead, [&] { return history_.loads(ingestion, path); });
}

Result<std::vector<RunRecord>> FaultyHistory::runs(const RunsQuery& query) {
  return plan_.run("history.runs", Effect::kRead, [&] { return history_.runs(query); });
}

Result<int64_t> FaultyHistory::run_count(const IngestionId& ingestion) {
  return plan_.run("history.run_count", Effect::kRead, [&] { return history_.run_count(ingestion); });
}

Result<std::optional<RunRecord>> FaultyHistory::run(std::string_view run_id) {
  return plan_.run("history.run", Effect::kRead, [&] { return history_.run(run_id); });
}

Result<std::vector<BatchRecord>> FaultyHistory::batches(const IngestionId& ingestion, int64_t limit) {
  return plan_.run("history.batches", Effect::kRead, [&] { return history_.batches(ingestion, limit); });
}

}  // namespace sluice
