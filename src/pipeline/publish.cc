#include "pipeline/publish.h"

#include <fmt/format.h>

#include "pipeline/mark_rules.h"

namespace sluice {
namespace {

constexpr int kAttemptsMax = 100;  // refusals by other writers; each of them means that somebody else made progress
constexpr auto kBackoffFirst = std::chrono::milliseconds(5);
constexpr auto kBackoffMax = std::chrono::milliseconds(2000);
constexpr int kUnknownsMax = 6;  // answers lost in a row before the batch is left to recovery

/// What one attempt came to. The publish loop is the only reader.
enum class Attempt { kPublished, kFound, kRefused, kUnknown, kImpossible };

struct AttemptEnd {
  Attempt what;
  Error error = {};
};

Result<void> still_ours(WorkLedger& ledger, const Lease& lease, BatchState wanted) {
  TRY_ASSIGN(const Standing standing, ledger.standing(lease));
  if (standing.ours && standing.state == wanted) return {};
  return fail(ErrorCode::kConflict,
              fmt::format("batch {} was taken over by another worker, or is {}", lease.batch.text, to_string(standing.state)));
}

Result<void> check_pin(const TargetState& state, const PreparedBatch& batch) {
  if (state.pin.table_uuid == batch.target.table_uuid) return {};
  return fail(ErrorCode::kCorruption,
              fmt::format("batch {} was staged for table {} with uuid {}, but that name now means uuid {}: the table was dropped and made "
                          "again, or the catalog is another one. The batch stays prepared. Ways out: bring the table back, or "
                          "`sluice forget` its files to give the batch up",
                          batch.batch.text, batch.target.table, batch.target.table_uuid, state.pin.table_uuid));
}

std::unexpected<Error> stopped_by_rule_p(const PreparedBatch& batch, Presence presence) {
  const char* what = presence == Presence::kRolledBack
                         ? "was published, and then the table was rolled back or replaced"
                         : "may have been published: the snapshots that would tell were expired and its mark is gone";
  return fail(ErrorCode::kCorruption,
              fmt::format("table {}: batch {} {}. It is not published again by itself. Way out: look whether its rows are there, then "
                          "`sluice forget` its files to load them again, or restore the table",
                          batch.target.table, batch.batch.text, what));
}

/// (a) to (d), once. The order is the proof (protocol.md, Publish).
Result<AttemptEnd> attempt_publish(const Publisher& p, const Lease& lease, const PreparedBatch& batch, Published& published,
                                   Context& context) {
  TRY_ASSIGN(const auto confirmed, newest_confirmed(p.ledger, p.ingestion));
  TRY_ASSIGN(const TargetState state, p.sink.load(context));  // (a)
  TRY(check_pin(state, batch));
  TRY(still_ours(p.ledger, lease, BatchState::kPrepared));  // (b)
  TRY(check_mark(p.ledger, p.sink, state, p.ingestion, confirmed));
  TRY_ASSIGN(const Presence presence, p.sink.find(state, batch, context));  // (c)
  if (presence == Presence::kPresent) {
    TRY_ASSIGN(published, p.sink.settle(state, batch, context));
    return AttemptEnd{Attempt::kFound};
  }
  if (presence != Presence::kAbsent) return stopped_by_rule_p(batch, presence);
  if (auto why = p.sink.incompatibility(state, batch)) {
    return AttemptEnd{Attempt::kImpossible, Error{ErrorCode::kConflict, *why}};
  }

  TRY_ASSIGN(const Mark mark, next_mark(p.ledger, state, p.ingestion, batch));
  auto answer = p.sink.try_publish(state, batch, mark, context);  // (d)
  if (answer) {
    published = *answer;
    return AttemptEnd{Attempt::kPublished};
  }
  switch (answer.error().code) {
    case ErrorCode::kConflict: return AttemptEnd{Attempt::kRefused, answer.error()};
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kUnavailable: return AttemptEnd{Attempt::kUnknown, answer.error()};
    case ErrorCode::kCancelled: return std::unexpected(answer.error());
    default: return AttemptEnd{Attempt::kImpossible, answer.error()};
  }
}

Result<void> confirm(const Publisher& p, const Lease& lease, const Published& published, Context& context) {
  auto confirmed = settle_ledger_write(p.clock, context, [&] { return p.ledger.confirm(lease, published); });
  if (!confirmed)
    return std::unexpected(
        confirmed.error().within("the rows are in the table, but the ledger could not record it yet "
                                 "(the next run will)"));
  return {};
}

/// The empty snapshot that moves the table, so that no publish in flight can land any more. Where the pinned table is gone there is
/// nothing to fence: every request in flight asserts its uuid.
Result<void> fence(const Publisher& p, const Lease& lease, const PreparedBatch& batch, Context& context) {
  auto delay = std::chrono::microseconds(kBackoffFirst);
  for (int attempt = 1;; ++attempt) {
    auto state = p.sink.load(context);
    if (!state && state.error().code == ErrorCode::kNotFound) return {};
    TRY(state);
    if (state->pin.table_uuid != batch.target.table_uuid) return {};
    TRY(still_ours(p.ledger, lease, BatchState::kWithdrawing));
    auto fenced = p.sink.fence(*state, batch, context);
    if (fenced) return {};
    const ErrorCode code = fenced.error().code;
    const bool again = code == ErrorCode::kConflict || code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable;
    if (!again || attempt == kAttemptsMax) return fenced;
    if (!p.clock.sleep(delay, context.stop)) return context.check();
    delay = std::min<std::chrono::microseconds>(delay * 2, kBackoffMax);
  }
}

/// Rule P after the fence: whether the batch landed before it.
Result<bool> landed_before_fence(const Publisher& p, const PreparedBatch& batch, Doubt doubt, Published& published, Context& context) {
  auto state = p.sink.load(context);
  if (!state && state.error().code == ErrorCode::kNotFound) return false;
  TRY(state);
  if (state->pin.table_uuid != batch.target.table_uuid) return false;
  TRY_ASSIGN(const Presence presence, p.sink.find(*state, batch, context));
  if (presence == Presence::kPresent) {
    TRY_ASSIGN(published, p.sink.settle(*state, batch, context));
    return true;
  }
  if (presence != Presence::kAbsent && doubt == Doubt::kStop) return stopped_by_rule_p(batch, presence);
  return false;
}

/// Whoever took the batch over removed what our attempts had left by then; the last of it may have come later. In the table's eyes it is
/// garbage as before. (What comes later still, a later run sweeps.)
void remove_late_leftovers(const Publisher& p, const PreparedBatch& batch, Context& context) {
  const auto state = p.sink.load(context);
  if (!state || state->pin.table_uuid != batch.target.table_uuid) return;
  const auto presence = p.sink.find(*state, batch, context);
  if (presence && *presence == Presence::kPresent) (void)p.sink.settle(*state, batch, context);
}

}  // namespace

Result<PublishEnd> publish_and_confirm(const Publisher& p, const Lease& lease, const PreparedBatch& batch, Published& published,
                                       Context& context) {
  if (batch.snapshot_id == 0) {  // only failures and empty files: nothing for the table
    published = {};
    TRY(confirm(p, lease, published, context));
    return PublishEnd::kConfirmed;
  }
  auto delay = std::chrono::microseconds(kBackoffFirst);
  int unknowns = 0;
  bool left_objects = lease.epoch > 1;  // by an attempt without an answer: ours, or of the worker before us
  for (int attempt = 1;; ++attempt) {
    const auto ended = attempt_publish(p, lease, batch, published, context);
    if (!ended && ended.error().code == ErrorCode::kConflict && left_objects) remove_late_leftovers(p, batch, context);
    TRY_ASSIGN(const AttemptEnd end, ended);
    if (end.what == Attempt::kFound || (end.what == Attempt::kPublished && !left_objects)) break;
    if (end.what == Attempt::kPublished) continue;  // to find it there and settle it
    left_objects |= end.what == Attempt::kUnknown;
    if (end.what == Attempt::kImpossible) {
      return withdraw(p, lease, batch, BatchState::kPrepared, end.error.message, Doubt::kStop, published, context);
    }
    unknowns = end.what == Attempt::kUnknown ? unknowns + 1 : 0;
    if (unknowns == kUnknownsMax || attempt == kAttemptsMax) {
      return std::unexpected(
          end.error.within(fmt::format("publishing batch {} (it stays prepared; the next run finishes it)", batch.batch.text)));
    }
    if (!p.clock.sleep(delay, context.stop))
      return fail(ErrorCode::kCancelled, "stopped while publishing; the next run finishes the batch");
    delay = std::min<std::chrono::microseconds>(delay * 2, kBackoffMax);
  }
  TRY(confirm(p, lease, published, context));
  return PublishEnd::kConfirmed;
}

Result<PublishEnd> withdraw(const Publisher& p, const Lease& lease, const PreparedBatch& batch, BatchState state, std::string_view reason,
                            Doubt doubt, Published& published, Context& context) {
  if (state == BatchState::kPrepared) {
    TRY(settle_ledger_write(p.clock, context, [&] { return p.ledger.start_withdraw(lease, reason); }));
  }
  if (batch.snapshot_id != 0) {
    TRY(fence(p, lease, batch, context));
    TRY_ASSIGN(const bool landed, landed_before_fence(p, batch, doubt, published, context));
    if (landed) {
      TRY(confirm(p, lease, published, context));
      return PublishEnd::kConfirmed;
    }
  }
  TRY(settle_ledger_write(p.clock, context, [&] { return p.ledger.finish_withdraw(lease, reason, /*gently=*/true); }));
  // Deleted after the release, never before: from here on nobody can publish it. What is left is swept by later runs.
  if (p.sink.sweep(batch.target, batch.batch, context)) (void)p.ledger.mark_swept(batch.batch);
  return PublishEnd::kWithdrawn;
}

}  // namespace sluice
