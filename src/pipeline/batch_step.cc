#include "pipeline/batch_step.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "pipeline/lease_keeper.h"
#include "pipeline/publish.h"

namespace sluice {
namespace {

// Each round adds what the one before found missing; a batch that asks for more has values that no schema takes.
constexpr int kSchemaRoundsMax = 6;

int thread_count(const EngineParts& parts) { return parts.threads > 0 ? parts.threads : std::max(1u, std::thread::hardware_concurrency()); }

TargetStep target_step(const BatchStep& step, SampledFiles* sampled = nullptr) {
  return {step.parts.work, step.sink, step.parts.stores, step.parts.clock, step.ingestion, step.contract, sampled, step.rules};
}

/// Rows and results of a batch, durable but not prepared yet.
struct StagedBatch {
  std::vector<FileResult> results;
  std::vector<ClaimedFile> members;
  StagedData data;
  std::optional<TargetState> target;  ///< nullopt: no table yet, and none needed
  int64_t snapshot_id = 0;
};

/// Files without a table: each is read for its error, its emptiness, or the columns that its rows need.
class NoRows final : public Stager {
 public:
  Result<void> append(const ClaimedFile&, RowBlock, Context&) override { return {}; }
  Result<void> append_part(const ClaimedFile&, int, RowBlock, Context&) override { return {}; }
  Result<void> admit(const ClaimedFile&, Context&) override { return {}; }
  Result<void> admit_together(std::span<const BundledFile>, const arrow::RecordBatch&, Context&) override { return {}; }
  void reject(const ClaimedFile&, Context&) override {}
  Result<StagedData> finish(int64_t, Context&) override { return StagedData{}; }
};

/// Good ones that need a table, or bad ones that need a place beside it.
bool has_rows(const FileResult& result) { return result.outcome == FileOutcome::kLoaded && result.rows + result.rows_rejected > 0; }

void merge_into(BatchEnd& end, Target& target, RunObserver& observer) {
  for (const std::string& text : target.schema_changes) observer.schema_changed(text);
  for (const std::string& text : target.warnings) {
    if (std::ranges::find(end.warnings, text) == end.warnings.end()) observer.warning(text), end.warnings.push_back(text);
  }
  std::ranges::move(target.schema_changes, std::back_inserter(end.schema_changes));
}

/// The table's columns, changed for what reading found; nullopt: nothing to change, the staged rows stand.
Result<std::optional<Target>> target_for_drift(const BatchStep& step, const TargetState& state, const Staged& staged, Context& context) {
  const EvolutionPlan plan = plan_drift(state, staged.drift.columns, staged.rescued, step.ingestion.schema.mode);
  if (plan.empty()) return std::nullopt;
  const bool add_rescued = plan.proposed.find(kRescuedColumn) && !state.schema.find(kRescuedColumn);
  TRY_ASSIGN(Target target, evolve_target(target_step(step), state, staged.drift.columns, Evidence::kRefused, add_rescued, context));
  return target;
}

/// A file with rows for which there is no place is the sender's to mend, or the operator's: nothing would change by itself.
void refuse_rows(Staged& staged, const Error& why) {
  for (FileResult& result : staged.results) {
    if (!has_rows(result)) continue;
    result.rows = result.rows_rescued = result.rows_rejected = 0;
    result.outcome = FileOutcome::kFailed;
    result.error = Error{ErrorCode::kInvalidInput,
                         fmt::format("{}: there is no table yet, and none can be made for its rows: {}. Name its columns in a contract, or "
                                     "load it together with files that show them",
                                     short_name(result.file), why.message),
                         why.type};
  }
}

StagedBatch without_table(Staged staged) { return {std::move(staged.results), std::move(staged.members), {}, std::nullopt, 0}; }

/// Rule S: no table to load, make or change; each file brings its own columns.
Result<StagedBatch> stage_objects(const BatchStep& step, const ClaimedBatch& batch, const StageStep& stage, Context& context) {
  TRY_ASSIGN(TargetState target, step.sink.load(context));
  TRY(settle_ledger_write(step.parts.clock, context, [&] { return step.parts.work.pin_target(batch.lease, target.pin); }));
  TRY_ASSIGN(auto stager, step.sink.stage(target, step.ingestion, batch));
  TRY_ASSIGN(Staged staged, stage_files(stage, target, *stager, batch, context));
  constexpr int64_t kNoSnapshot = 0;
  TRY_ASSIGN(StagedData data, stager->finish(kNoSnapshot, context));
  return StagedBatch{std::move(staged.results), std::move(staged.members), std::move(data), std::move(target), kNoSnapshot};
}

Result<StagedBatch> stage(const BatchStep& step, const ClaimedBatch& batch, BatchEnd& end, Context& context) {
  SampledFiles sampled;
  const StageStep stage{step.parts.work,  step.parts.stores,
                        step.parts.clock, step.observer,
                        step.ingestion,   thread_count(step.parts),
                        step.releases,    step.contract ? &*step.contract : nullptr,
                        step.approval,    &sampled,
                        step.rules,       step.sink.object_per_file()};
  if (stage.object_per_file) return stage_objects(step, batch, stage, context);
  TRY_ASSIGN(auto target, load_or_create(target_step(step, &sampled), batch.files, context));
  if (!target) {
    NoRows stager;
    TRY_ASSIGN(Staged staged, stage_files(stage, TargetState{}, stager, batch, context));
    if (std::ranges::none_of(staged.results, has_rows)) return without_table(std::move(staged));
    auto made = load_or_create_for_rows(target_step(step), staged.drift.columns, staged.rescued, batch.files, context);
    if (!made && made.error().type == error_type::kSchemaMismatch) {
      refuse_rows(staged, made.error());
      return without_table(std::move(staged));
    }
    TRY(made);
    target = *std::move(made);
  }
  for (int round = 1;; ++round) {
    merge_into(end, *target, step.observer);
    TRY(settle_ledger_write(step.parts.clock, context, [&] { return step.parts.work.pin_target(batch.lease, target->state.pin); }));
    TRY_ASSIGN(auto stager, step.sink.stage(target->state, step.ingestion, batch));
    TRY_ASSIGN(Staged staged, stage_files(stage, target->state, *stager, batch, context));
    TRY_ASSIGN(auto changed, target_for_drift(step, target->state, staged, context));
    if (!changed) {
      const int64_t snapshot_id = new_snapshot_id();
      TRY_ASSIGN(StagedData data, stager->finish(snapshot_id, context));
      return StagedBatch{std::move(staged.results), std::move(staged.members), std::move(data), std::move(target->state), snapshot_id};
    }
    if (round == kSchemaRoundsMax) {
      return fail(
          ErrorCode::kConflict,
          fmt::format("the table's schema still did not fit after {} changes; another writer may be undoing them", kSchemaRoundsMax));
    }
    stager.reset();
    TRY(step.sink.sweep(target->state.pin, batch.lease.batch, context));
    target = std::move(changed);
  }
}

PreparedBatch prepared_batch(const BatchStep& step, const ClaimedBatch& batch, StagedBatch& staged) {
  for (FileResult& result : staged.results) {
    if (auto it = staged.data.files.find(result.file.path); it != staged.data.files.end()) result.ranges = std::move(it->second.ranges);
  }
  PreparedBatch prepared;
  prepared.batch = batch.lease.batch;
  prepared.ingestion = step.ingestion.id;
  prepared.run = batch.run;
  prepared.tracked = batch.tracked;
  if (staged.target) prepared.target = staged.target->pin;
  prepared.snapshot_id = staged.data.rows > 0 ? staged.snapshot_id : 0;
  prepared.objects = std::move(staged.data.objects);
  prepared.rows = staged.data.rows;
  prepared.sink_record = std::move(staged.data.sink_record);
  return prepared;
}

/// Before prepare nothing can be published: release the files, then delete what was written.
void give_up_staging(const BatchStep& step, const ClaimedBatch& batch, const Error& why, Context& context) {
  WorkLedger& ledger = step.parts.work;
  auto released =
      settle_ledger_write(step.parts.clock, context, [&] { return ledger.finish_withdraw(batch.lease, why.message, /*gently=*/true); });
  if (!released) return;  // recovery does it: the batch is still STAGING, or another worker's
  auto record = ledger.find_batch(batch.lease.batch);
  if (!record || !*record) return;
  const TargetPin target = (*record)->target.value_or(TargetPin{});
  if (step.sink.sweep(target, batch.lease.batch, context)) (void)ledger.mark_swept(batch.lease.batch);
}

int64_t count_loaded(const std::vector<FileResult>& results) {
  return std::ranges::count(results, FileOutcome::kLoaded, &FileResult::outcome);
}

/// From prepare on the batch is finished or withdrawn, also while the process is being stopped: a few quick steps.
Result<void> finish(const BatchStep& step, const ClaimedBatch& batch, StagedBatch staged, BatchEnd& end, Context& context) {
  PreparedBatch prepared = prepared_batch(step, batch, staged);
  auto seq = settle_ledger_write(step.parts.clock, context, [&] { return step.parts.work.prepare(batch.lease, prepared, staged.results); });
  if (!seq) {
    give_up_staging(step, batch, seq.error(), context);
    return std::unexpected(seq.error().within(fmt::format("preparing batch {}", prepared.batch.text)));
  }
  prepared.seq = *seq;
  if (prepared.snapshot_id != 0) step.observer.publishing(prepared);
  Published published;
  const Publisher publisher{step.parts.work, step.sink, step.parts.clock, step.ingestion};
  TRY_ASSIGN(const PublishEnd how, publish_and_confirm(publisher, batch.lease, prepared, published, context));
  end.confirmed = how == PublishEnd::kConfirmed;
  for (const FileResult& result : staged.results) step.observer.file_read(result);
  if (end.confirmed) step.observer.confirmed(prepared, published, count_loaded(staged.results));
  end.results = std::move(staged.results);
  end.members = std::move(staged.members);
  return {};
}

}  // namespace

Result<BatchEnd> ingest_batch(const BatchStep& step, const ClaimedBatch& batch, Context& outer) {
  LeaseKeeper keeper(step.parts.work, batch.lease, step.parts.lease, outer);
  Context context = keeper.context();
  context.batch_id = batch.lease.batch.text;
  Context finishing = context;
  finishing.stop = {};

  BatchEnd end;
  auto staged = stage(step, batch, end, context);
  if (!staged) {
    if (keeper.lost()) return fail(ErrorCode::kConflict, fmt::format("batch {} was taken over by another worker", batch.lease.batch.text));
    give_up_staging(step, batch, staged.error(), finishing);
    return std::unexpected(staged.error());
  }
  TRY(finish(step, batch, *std::move(staged), end, finishing));
  return end;
}

}  // namespace sluice
