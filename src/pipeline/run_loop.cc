#include "pipeline/run_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "pipeline/input_file.h"
#include "pipeline/mark_rules.h"
#include "pipeline/member_groups.h"
#include "pipeline/members.h"
#include "pipeline/read_rules.h"
#include "schema/contract.h"
#include "storage/listing_feed.h"

namespace sluice {
namespace {

constexpr auto kPollOthers = std::chrono::milliseconds(50);
constexpr int kWithdrawalsMax = 3;  // in a row, before the run gives up
constexpr size_t kMismatchesNamedMax = 20;
constexpr int64_t kMembersOfBatchMax = 10'000;

std::vector<std::string> folders_of_tables(const Sink& sink) {
  const std::string folder = sink.warehouse();
  if (folder.empty()) return {};
  return {folder.ends_with('/') ? folder : folder + '/'};
}

}  // namespace

Result<std::unique_ptr<FileFeed>> open_feed(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion, const Source& source,
                                            const std::optional<std::vector<std::string>>& files_from) {
  TRY_ASSIGN(ObjectStore * store, parts.stores.store_for(source.paths.front(), source.store));
  if (files_from) return make_explicit_feed(*store, *files_from);
  return make_listing_feed(*store, source.paths, ingestion.ready, parts.clock, folders_of_tables(sink));
}

Result<RunReport> RunLoop::run(Context context) {
  TRY(parts_.registry.close_dead_runs(ingestion_.id));
  if (options_.taken) {
    report_.run = *options_.taken;
  } else {
    TRY_ASSIGN(report_.run, parts_.registry.start_run(ingestion_.id, options_.trigger, parts_.worker));
  }
  context.run_id = report_.run.id.text;
  observer_.started(report_.run);
  return close(execute(context));
}

Result<void> RunLoop::execute(Context& context) {
  if (!ingestion_.schema.contract.empty()) {
    TRY_ASSIGN(contract_, load_contract(ingestion_.schema.contract));
  }
  TRY_ASSIGN(rules_, ColumnRules::make(ingestion_.schema));
  if (contract_ && rules_) TRY(rules_->check(*contract_, /*may_add=*/false));
  if (ingestion_.tracking) TRY(check_target(parts_.work, sink_, ingestion_, context));
  TRY(recover_dead_batches(recovery(), context));
  if (!ingestion_.tracking) {
    TRY(load_untracked(context));
    return sweep_ended_batches(recovery(), context);
  }
  TRY(let_waiting_go(context));
  if (options_.approved.empty()) TRY(options_.retry_failed ? discover_failed(context) : discover_files(context));
  TRY(check_headers(context));
  TRY(load_tracked(context));
  TRY(report_waiting());
  return sweep_ended_batches(recovery(), context);
}

/// Schema mode approve: files that wait are read again when changes were approved for this run, when the table has another schema than the
/// one they did not fit (somebody made the change by hand), or when the mode is another one now.
Result<void> RunLoop::let_waiting_go(Context& context) {
  const bool asks = ingestion_.schema.mode == SchemaMode::kApprove;
  if (asks) approval_.emplace(options_.approved);
  TRY_ASSIGN(const auto waiting, parts_.history.waiting_for_approval(ingestion_.id));
  if (!options_.approved.empty()) {
    for (const WaitingFiles& group : waiting) report_.files_found += group.files;
    observer_.discovered(report_.files_found, 0, report_.files_found, 0, 0);
  }
  if (waiting.empty()) return {};
  if (asks && options_.approved.empty()) {
    TRY_ASSIGN(const bool moved, schema_moved_since(waiting, context));
    if (!moved) return {};
  }
  TRY(settle_ledger_write(parts_.clock, context, [&] { return parts_.work.release_waiting(ingestion_.id); }));
  return {};
}

Result<bool> RunLoop::schema_moved_since(const std::vector<WaitingFiles>& waiting, Context& context) {
  auto table = sink_.load(context);
  if (!table && table.error().code == ErrorCode::kNotFound) return true;
  TRY(table);
  for (const WaitingFiles& group : waiting) {
    TRY_ASSIGN(const auto batch, parts_.work.find_batch(group.first_batch));
    if (!batch || !batch->target) return true;
    if (batch->target->table_uuid != table->pin.table_uuid || batch->target->schema_id != table->pin.schema_id) return true;
  }
  return false;
}

Result<void> RunLoop::report_waiting() {
  TRY_ASSIGN(report_.waiting, parts_.history.waiting_for_approval(ingestion_.id));
  if (report_.waiting.empty()) return {};
  std::vector<std::string> pending;
  for (const WaitingFiles& group : report_.waiting) {
    pending.push_back("pending: " + group.changes);
    warn(fmt::format("{} file(s) wait for approval: {}; `sluice approve {}` makes the change and loads them", group.files, group.changes,
                     ingestion_.name));
  }
  return parts_.registry.add_to_run(report_.run.id, {}, pending);
}

Result<void> RunLoop::discover_files(Context& context) {
  Discovered found;
  for (const Source& source : ingestion_.sources) {
    auto make_feed = [&](Context&) { return open_feed(parts_, sink_, ingestion_, source, options_.files_from); };
    auto listed = discover(make_feed, parts_.work, parts_.clock, ingestion_, source.id, report_.run.id, context);
    if (!listed) return std::unexpected(listed.error().within(fmt::format("listing source {}", source.id.text)));
    found += *listed;
    if (options_.files_from) break;  // an explicit list belongs to the first source
  }
  for (const std::string& text : found.warnings) warn(text);
  if (options_.on_change_is_a_guess && found.changed > 0) {
    warn(
        fmt::format("{} known file(s) changed: where they were loaded, their new rows come beside the old ones (append); say what is "
                    "wanted with --on-change append, ignore or fail",
                    found.changed));
  }
  report_.files_found = found.found;
  report_.files_not_ready = found.not_ready;
  RunMetrics counted;
  counted.files_unchanged = found.unchanged + found.ignored;
  counted.files_skipped = found.skipped;
  TRY(parts_.registry.add_to_run(report_.run.id, counted, {}));
  TRY_ASSIGN(const Outstanding waiting, parts_.work.outstanding(ingestion_.id, report_.run.id, ingestion_.retry_attempts_max));
  has_members_ = waiting.members > 0;
  TRY(find_named(context));
  const int64_t to_load = names_files() ? std::ssize(named_) : waiting.claimable;
  const int64_t members = names_files() ? 0 : waiting.members;
  const int64_t done_before = std::max<int64_t>(0, found.found - (to_load - members) - found.skipped);
  int64_t failed = 0;
  if (to_load == 0) {
    TRY_ASSIGN(const FilePage one, parts_.history.files({.ingestion = ingestion_.id, .state = FileState::kFailed, .limit = 1}));
    failed = one.total;
  }
  if (found.not_ready > 0) observer_.not_ready(found.not_ready);
  observer_.discovered(found.found, done_before, to_load, found.bytes, failed);
  return {};
}

/// Files that changed between listing and reading are discovered anew, for the ledger holds a version that is gone.
Result<void> RunLoop::look_at_changed(const BatchEnd& end, Context& context) {
  std::map<SourceId, std::set<std::string>> changed;
  bool busy = false;
  for (const FileResult& result : end.results) {
    if (result.outcome != FileOutcome::kReleased) continue;
    const std::string_view type = result.error ? std::string_view(result.error->type) : "";
    busy |= type == error_type::kMembersBusy;
    if (type == error_type::kNeedsApproval || type == error_type::kMembersBusy) continue;
    ++releases_[result.file.path];
    if (type != error_type::kChangedWhileRead) continue;
    TRY_ASSIGN(std::string listed, listed_path(result.file.path, result.file.archive));
    changed[result.file.source].insert(std::move(listed));
  }
  std::map<SourceId, std::vector<std::string>> paths;
  for (const auto& [source, listed] : changed) paths[source].assign(listed.begin(), listed.end());
  TRY(look_again(paths, context));
  return busy ? let_members_go(context) : Result<void>{};
}

/// Members that an archive found busy were in this worker's batch, which is over, or are in another's.
Result<void> RunLoop::let_members_go(Context& context) {
  TRY_ASSIGN(const Outstanding outstanding, parts_.work.outstanding(ingestion_.id, report_.run.id, ingestion_.retry_attempts_max));
  if (outstanding.in_live_batches == 0) return {};
  TRY_ASSIGN(const int64_t recovered, recover_dead_batches(recovery(), context));
  if (recovered == 0 && !parts_.clock.sleep(kPollOthers, context.stop)) TRY(context.check());
  return {};
}

/// Contracts with strict_mode: one wrong header and nothing is loaded.
Result<void> RunLoop::check_headers(Context& context) {
  if (!contract_ || !ingestion_.schema.validate || !ingestion_.schema.strict_mode) return {};
  std::vector<std::string> named;
  size_t count = 0;
  FilesQuery query{ingestion_.id, FileState::kDiscovered};
  do {
    TRY_ASSIGN(const FilePage page, parts_.history.files(query));
    TRY_ASSIGN(auto mismatches, mismatches_in(page, context));
    count += mismatches.size();
    for (std::string& text : mismatches) {
      if (named.size() < kMismatchesNamedMax) named.push_back(std::move(text));
    }
    query.cursor = page.next_cursor;
  } while (!query.cursor.empty());
  if (count == 0) return {};

  const std::string more = count > named.size() ? fmt::format("; and {} more", count - named.size()) : "";
  return std::unexpected(Error{ErrorCode::kInvalidInput,
                               fmt::format("{} file(s) do not have the columns of the contract {} (strict_mode: nothing was loaded): {}{}",
                                           count, ingestion_.schema.contract, fmt::join(named, "; "), more),
                               std::string(error_type::kSchemaMismatch)});
}

Result<std::vector<std::string>> RunLoop::mismatches_in(const FilePage& page, Context& context) {
  std::vector<std::string> texts;
  std::vector<ClaimedFile> members;
  const auto look_at = [&](const ClaimedFile& file, const Source& source, Result<std::unique_ptr<InputFile>>& input) {
    if (!input || (*input)->container()) return;  // reading it for its rows will say why
    auto mismatch = header_mismatch(**input, *contract_, file, ingestion_, source, rules_.get(), context);
    if (mismatch && *mismatch) texts.push_back(fmt::format("{}: {}", file.path, **mismatch));
  };
  for (const FileRecord& record : page.files) {
    TRY(context.check());
    ClaimedFile file;
    file.source = record.source, file.path = record.path, file.version = record.version, file.size_bytes = record.size_bytes;
    file.modified_at = record.modified_at, file.archive = record.archive;
    if (!file.archive.empty()) {
      members.push_back(std::move(file));
      continue;
    }
    const Source& source = source_of(ingestion_, file);
    TRY_ASSIGN(ObjectStore * store, parts_.stores.store_for(file.path, source.store));
    auto input = open_input(*store, source, file, [](int64_t) {}, context);
    look_at(file, source, input);
  }
  for (MemberGroup& group : member_groups(members)) {
    const Source& source = source_of(ingestion_, members[group.indexes.front()]);
    auto opened = open_container(parts_.stores, source, group.archive, context);
    TRY(context.check());
    if (!opened) continue;
    const auto visit = [&](const ClaimedFile& file, Result<MemberBytes> bytes) -> Result<void> {
      if (!bytes) return {};
      auto input = open_member(*std::move(bytes), source, file, [](int64_t) {}, context);
      look_at(file, source, input);
      return {};
    };
    TRY(visit_members(**opened, group.files(members), visit, context));
  }
  return texts;
}

/// A run ends when no file that it saw is pending: others' batches are waited for, dead workers' taken over (rule J).
Result<void> RunLoop::load_tracked(Context& context) {
  for (;;) {
    TRY(context.check());
    TRY_ASSIGN(const bool loaded, load_next_batch(context));
    if (loaded) continue;
    if (ingestion_.run_files_max && files_claimed_ >= *ingestion_.run_files_max) return {};
    TRY_ASSIGN(const bool more, wait_for_others(context));
    if (!more) return {};
  }
}

ClaimRequest RunLoop::claim_request() const {
  ClaimRequest request;
  request.ingestion = ingestion_.id;
  request.run = report_.run.id;
  request.worker = parts_.worker;
  request.batch = BatchId(new_uuid());
  request.limits = ingestion_.batch;
  // A tar is read from its beginning for every batch that has members of it.
  const bool by_default = ingestion_.parquet && ingestion_.batch.files_max == kObjectBatchLimits.files_max;
  if (by_default && has_members_) request.limits.files_max = kMembersOfBatchMax;
  if (ingestion_.run_files_max) {
    request.limits.files_max = std::min(request.limits.files_max, *ingestion_.run_files_max - files_claimed_);
  }
  request.attempts_max = ingestion_.retry_attempts_max;
  request.only = named_;
  request.order = ingestion_.run_order;
  request.lease = parts_.lease;
  return request;
}

Result<bool> RunLoop::load_next_batch(Context& context) {
  const ClaimRequest request = claim_request();
  if (request.limits.files_max <= 0 || (names_files() && named_.empty())) return false;
  TRY_ASSIGN(auto batch, settle_ledger_write(parts_.clock, context, [&] { return parts_.work.claim(request); }));
  if (!batch) return false;
  files_claimed_ += static_cast<int64_t>(batch->files.size());
  TRY(ingest(*batch, context));
  return true;
}

Result<void> RunLoop::ingest(const ClaimedBatch& batch, Context& context) {
  observer_.claimed(batch);
  auto end = ingest_batch(batch_step(), batch, context);
  if (!end && end.error().code == ErrorCode::kConflict && batch.tracked && ++withdrawals_ < kWithdrawalsMax) {
    warn(end.error().message + "; its files stay to be loaded, by this run or by the worker that took them");
    return {};
  }
  TRY(end);
  withdrawals_ = end->confirmed ? 0 : withdrawals_ + 1;
  if (!end->confirmed && !batch.tracked) {
    return fail(ErrorCode::kUnavailable, "a batch had to be withdrawn, and without tracking nobody loads its files again; run again");
  }
  if (withdrawals_ == kWithdrawalsMax) {
    return fail(ErrorCode::kUnavailable, fmt::format("{} batches in a row had to be withdrawn; see the warnings above", kWithdrawalsMax));
  }
  if (!end->schema_changes.empty()) TRY(parts_.registry.add_to_run(report_.run.id, {}, end->schema_changes));
  if (!batch.tracked) note_released(*end);
  take_results(*end);
  if (!batch.tracked || !end->confirmed) return {};
  TRY(look_at_changed(*end, context));
  const bool found_members = std::ranges::find(end->results, FileOutcome::kExpanded, &FileResult::outcome) != end->results.end();
  has_members_ |= found_members;
  TRY(pass_named(batch, *end, context));
  return found_members ? check_headers(context) : Result<void>{};
}

/// Whether there may be something to claim again.
Result<bool> RunLoop::wait_for_others(Context& context) {
  if (names_files()) {
    const auto is_in_hand = [](const FileRecord& file) { return file.state == FileState::kProcessing; };
    TRY_ASSIGN(const auto in_hand, records_of(names(), is_in_hand, context));
    if (in_hand.empty()) return find_late_named(context);
  } else {
    TRY_ASSIGN(const Outstanding outstanding, parts_.work.outstanding(ingestion_.id, report_.run.id, ingestion_.retry_attempts_max));
    if (outstanding.claimable > 0) return true;
    if (outstanding.batches == 0) return false;
  }
  TRY_ASSIGN(const int64_t recovered, recover_dead_batches(recovery(), context));
  if (recovered == 0 && !parts_.clock.sleep(kPollOthers, context.stop)) TRY(context.check());
  TRY(find_named(context));
  return true;
}

Recovery RunLoop::recovery() const { return {{parts_.work, sink_, parts_.clock, ingestion_}, parts_.worker, parts_.lease, observer_}; }

void RunLoop::take_results(const BatchEnd& end) {
  members_found_.insert(members_found_.end(), end.members.begin(), end.members.end());
  for (const FileResult& result : end.results) {
    tried_ += result.outcome != FileOutcome::kExpanded;
    if (!result.error || result.error->type == error_type::kNeedsApproval) continue;  // those are reported together
    failed_ += result.outcome == FileOutcome::kFailed || result.outcome == FileOutcome::kRefused;
    unreachable_ += result.outcome == FileOutcome::kReleased && result.error->type == error_type::kUnavailable;
    if (first_failure_.empty()) first_failure_ = result.error->message;
    if (report_.failures.size() < kReportedFailuresMax) report_.failures.push_back(result);
    if (result.outcome == FileOutcome::kSkipped || result.outcome == FileOutcome::kReleased) warn(result.error->message);
  }
}

void RunLoop::warn(const std::string& text) {
  report_.warnings.push_back(text);
  observer_.warning(text);
}

Result<RunReport> RunLoop::close(const Result<void>& executed) {
  RunState state = RunState::kCompleted;
  std::string error;
  if (!executed) {
    state = executed.error().code == ErrorCode::kCancelled ? RunState::kCancelled : RunState::kFailed;
    error = executed.error().message;
  } else if (tried_ > 0 && failed_ == tried_) {
    state = RunState::kFailed;
    error = fmt::format("every file failed ({}); first: {}", failed_, first_failure_);
  } else if (unreachable_ > 0 && unreachable_ == tried_) {
    state = RunState::kFailed;
    error = fmt::format("the source did not answer for any of {} file(s), which wait; first: {}", tried_, first_failure_);
  }
  TRY_ASSIGN(report_.run,
             settle_ledger_write(parts_.clock, Context{}, [&] { return parts_.registry.finish_run(report_.run.id, state, error); }));
  keep_backup();
  return std::move(report_);
}

/// The run is over and recorded: a backup that fails is said, and made by a later run.
void RunLoop::keep_backup() {
  const RunMetrics& counted = report_.run.metrics;
  if (counted.files_processed + counted.files_failed + counted.files_skipped == 0) return;
  if (const auto kept = parts_.work.back_up_if_due(); !kept) warn(kept.error().message);
}

}  // namespace sluice
