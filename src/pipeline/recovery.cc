#include "pipeline/recovery.h"

#include <fmt/format.h>

#include "pipeline/mark_rules.h"

namespace sluice {
namespace {

/// Rule M before anything is deleted; a table that does not exist has nothing to contradict.
Result<void> check_table_before_delete(const Publisher& p, Context& context) {
  TRY_ASSIGN(const auto confirmed, newest_confirmed(p.ledger, p.ingestion));
  auto state = p.sink.load(context);
  if (!state && state.error().code == ErrorCode::kNotFound) return {};
  TRY(state);
  return check_mark(p.ledger, p.sink, *state, p.ingestion, confirmed);
}

Result<void> release_staging(const Recovery& r, const TakenOver& taken, Context& context) {
  const Publisher& p = r.publisher;
  auto table = check_table_before_delete(p, context);
  if (!table && r.doubt == Doubt::kStop) return table;
  const Lease& lease = taken.batch.lease;
  TRY(settle_ledger_write(p.clock, context, [&] { return p.ledger.finish_withdraw(lease, "its worker died while staging", false); }));
  for (const ClaimedFile& file : taken.batch.files) {
    if (file.worker_deaths >= kWorkerDeathsMax) r.observer.warning(fmt::format("{}: {}", file.path, worker_died_message()));
  }
  const TargetPin target = taken.record.target.value_or(TargetPin{});
  if (table && p.sink.sweep(target, taken.record.id, context)) (void)p.ledger.mark_swept(taken.record.id);
  return {};
}

Result<void> finish_prepared(const Recovery& r, const TakenOver& taken, Context& context) {
  const Publisher& p = r.publisher;
  const PreparedBatch& batch = *taken.record.prepared;
  Published published;
  TRY_ASSIGN(const auto gone, p.sink.missing(batch, context));
  if (!gone.empty()) {
    // Perhaps it landed long ago and somebody compacted the table since: rule P inside withdraw tells.
    const std::string why = fmt::format("{} of its staged objects are gone (an orphan clean-up?), first: {}", gone.size(), gone.front());
    r.observer.warning(fmt::format("batch {}: {}; its files are loaded again unless the table has it", batch.batch.text, why));
    TRY(withdraw(p, taken.batch.lease, batch, BatchState::kPrepared, why, r.doubt, published, context));
    return {};
  }
  auto end = publish_and_confirm(p, taken.batch.lease, batch, published, context);
  if (!end && end.error().code == ErrorCode::kCorruption && r.doubt == Doubt::kOperatorDecides) {
    end = withdraw(p, taken.batch.lease, batch, BatchState::kPrepared, "given up by the operator", r.doubt, published, context);
  }
  TRY(end);
  if (*end == PublishEnd::kConfirmed) r.observer.confirmed(batch, published, static_cast<int64_t>(taken.batch.files.size()));
  return {};
}

Result<void> sweep_ended(Sink& sink, const BatchRecord& batch, Context& context) {
  if (batch.state == BatchState::kCommitted) return sink.sweep_published(batch, context);
  return sink.sweep(*batch.target, batch.id, context);
}

Result<void> recover_one(const Recovery& r, const TakenOver& taken, Context& context) {
  switch (taken.record.state) {
    case BatchState::kStaging: return release_staging(r, taken, context);
    case BatchState::kPrepared: return finish_prepared(r, taken, context);
    case BatchState::kWithdrawing: {
      Published published;
      TRY(withdraw(r.publisher, taken.batch.lease, *taken.record.prepared, BatchState::kWithdrawing, taken.record.reason, r.doubt,
                   published, context));
      return {};
    }
    default:
      return fail(ErrorCode::kCorruption,
                  fmt::format("batch {} is {} and has a lease", taken.record.id.text, to_string(taken.record.state)));
  }
}

}  // namespace

Result<int64_t> recover_dead_batches(const Recovery& r, Context& context) {
  for (int64_t count = 0;; ++count) {
    TRY(context.check());
    TRY_ASSIGN(auto taken, r.publisher.ledger.take_over(r.publisher.ingestion.id, r.worker, r.lease));
    if (!taken) return count;
    Context inner = context;
    inner.batch_id = taken->record.id.text;
    auto done = recover_one(r, *taken, inner);
    if (!done && done.error().code != ErrorCode::kConflict) {  // kConflict: another worker took it over from us
      return std::unexpected(done.error().within(fmt::format("recovering batch {}", taken->record.id.text)));
    }
  }
}

Result<void> sweep_ended_batches(const Recovery& r, Context& context) {
  TRY_ASSIGN(const auto batches, r.publisher.ledger.batches_to_sweep(r.publisher.ingestion.id));
  for (const BatchRecord& batch : batches) {
    TRY(context.check());
    const auto swept = sweep_ended(r.publisher.sink, batch, context);
    if (swept) {
      TRY(r.publisher.ledger.mark_swept(batch.id));
    } else {
      r.observer.warning(
          fmt::format("what batch {} left could not be removed, the next run tries again: {}", batch.id.text, swept.error().message));
    }
  }
  (void)r.publisher.sink.sweep_attempts(context);  // what fails now is done by the next run
  return {};
}

}  // namespace sluice
