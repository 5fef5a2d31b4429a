#include "pipeline/staging.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <thread>

#include "pipeline/bundles.h"
#include "pipeline/input_file.h"
#include "pipeline/split_file.h"
#include "pipeline/target.h"
#include "schema/contract.h"
#include "schema/evolution.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr int kReadAttemptsMax = 4;  // of one file while its store is unavailable
constexpr int64_t kHeaderSampleBytes = 256 * kKiB;
constexpr auto kReadBackoff = std::chrono::milliseconds(200);

/// Base name for messages: the ledger has the whole path beside it.
std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// "data-003.json: line 17: expected ',' or '}' (byte 2041); the file was not loaded. Fix it ..."
Error explain(Error error, std::string_view path) {
  error.message = fmt::format("{}: {}", base_name(path), error.message);
  if (error.type == error_type::kParseError && error.code == ErrorCode::kInvalidInput) {
    error.message += "; the file was not loaded. Fix it and run again, or allow bad rows with --on-bad-row=skip";
  }
  return error;
}

FileOutcome outcome_of(std::string_view type, int released_before) {
  const bool may_pass = type == error_type::kChangedWhileRead || type == error_type::kUnavailable;
  if (may_pass && released_before < kReleasesMax) return FileOutcome::kReleased;
  if (type == error_type::kVanished) return FileOutcome::kSkipped;
  return FileOutcome::kFailed;
}

/// Tells a failure of the file (its result) from one of the sink or a stop (the batch's).
struct ReadEnd {
  std::optional<Error> file_error;
};

/// Reads one batch's files. Each thread takes the next file until none is left.
class FileStage {
 public:
  FileStage(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch)
      : step_(step), target_(target), stager_(stager), batch_(batch), order_(batch.files.size()) {
    // Large files first, so that no thread is left alone with one at the end; equals in path order.
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::stable_sort(order_, std::greater<>(),
                             [&](size_t i) { return batch.files[i].size_bytes > kWholeFileBytesMax ? batch.files[i].size_bytes : 0; });
    staged_.results.resize(batch.files.size());
    for (const ClaimedFile& file : batch.files) batch_bytes_ += file.size_bytes;
    // The number of a row within its file is known only to one who has read all before it.
    may_split_ = target.schema.find("_source_row") == nullptr;
  }

  Result<Staged> run(Context& context) {
    int64_t tasks = 0;
    for (const ClaimedFile& file : batch_.files) tasks += parts_of(file);
    const auto threads = static_cast<int>(std::clamp<int64_t>(tasks, 1, std::max(1, step_.threads)));
    {
      std::vector<std::jthread> workers;
      for (int slot = 1; slot < threads; ++slot) workers.emplace_back([this, slot, context] { work(slot, context); });
      work(0, context);
    }
    if (failure_) return std::unexpected(*failure_);
    return std::move(staged_);
  }

 private:
  /// What one thread keeps from file to file.
  struct Hand {
    int slot;
    Bundles bundles;
    std::vector<char> buffer = {};
  };

  /// A file, or a part of one that another thread has split.
  struct Task {
    size_t index = 0;
    std::shared_ptr<SplitFile> split = nullptr;
    size_t part = 0;
  };

  int64_t parts_of(const ClaimedFile& file) const { return may_split_ ? parts_wanted(file.size_bytes, batch_bytes_, step_.threads) : 1; }

  void work(int slot, Context context) {
    Hand hand{slot, Bundles(stager_)};
    if (auto done = work_on(hand, context); !done) {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = done.error();
      failed_ = true;
      more_tasks_.notify_all();
    }
    step_.ledger.note_in_hand(batch_.lease, slot, "");
  }

  Result<void> work_on(Hand& hand, Context& context) {
    while (const auto task = next_task()) {
      TRY(task->split ? read_part(task->split, task->part, hand, context) : take_file(task->index, hand, context));
    }
    return failed_.load() ? Result<void>{} : hand.bundles.flush(context);
  }

  /// nullopt: nothing is left, nor will be: no file is just being split.
  std::optional<Task> next_task() {
    std::unique_lock lock(mutex_);
    more_tasks_.wait(lock, [&] { return failed_.load() || !parts_.empty() || next_ < order_.size() || splitting_ == 0; });
    if (failed_.load()) return std::nullopt;
    if (!parts_.empty()) {
      Task task = std::move(parts_.front());
      parts_.pop_front();
      return task;
    }
    if (next_ == order_.size()) return std::nullopt;
    const size_t index = order_[next_++];
    splitting_ += parts_of(batch_.files[index]) > 1;
    return Task{index};
  }

  Result<void> take_file(size_t index, Hand& hand, Context& context) {
    const ClaimedFile& file = batch_.files[index];
    std::shared_ptr<SplitFile> split;
    if (parts_of(file) > 1) {
      split = split_file(index, context);
      std::lock_guard lock(mutex_);
      --splitting_;
      for (size_t part = 1; split && part < split->parts.size(); ++part) parts_.push_back({index, split, part});
      more_tasks_.notify_all();
    }
    if (split) return read_part(split, 0, hand, context);
    TRY_ASSIGN(FileResult result, stage_file(file, hand, context));
    return keep(index, std::move(result));
  }

  Result<void> keep(size_t index, FileResult result) {
    std::lock_guard lock(mutex_);
    staged_.results[index] = std::move(result);
    return {};
  }

  /// nullptr: one reader for all of it; who reads it says what is wrong, if anything is.
  std::shared_ptr<SplitFile> split_file(size_t index, Context& context) {
    const ClaimedFile& file = batch_.files[index];
    const Source& source = source_of(step_.ingestion, file);
    auto store = step_.stores.store_for(file.path, source.store);
    if (!store || (step_.contract && step_.ingestion.schema.validate)) return nullptr;
    auto split = std::make_shared<SplitFile>();
    split->index = index;
    split->started_micros = step_.clock.monotonic_micros();
    auto input = open_input(**store, source, file, [this](int64_t bytes) { report(bytes, 0); }, context);
    if (!input) return nullptr;
    split->input = *std::move(input);
    split->plan = read_plan(target_, step_.ingestion, source, step_.contract != nullptr);
    split->plan.bad_rows = BadRows{};  // whatever is allowed: its line is to be told, and one reader counts
    auto ranges = split->input->format().split(split->input->blob(), split->plan, context);
    if (!ranges || ranges->size() < 2) return nullptr;
    split->parts = join_ranges(*ranges, parts_of(file));
    split->unfinished = split->parts.size();
    return split;
  }

  /// The last part's reader concludes the file.
  Result<void> read_part(const std::shared_ptr<SplitFile>& split, size_t part, Hand& hand, Context& context) {
    const ClaimedFile& file = batch_.files[split->index];
    step_.ledger.note_in_hand(batch_.lease, hand.slot, file.path);
    TRY(append_part(*split, part, context));
    {
      std::lock_guard lock(mutex_);
      if (--split->unfinished > 0) return {};
    }
    FileResult result;
    if (!split->given_up) {
      TRY_ASSIGN(const bool concluded, conclude_split(*split, result, context));
      split->given_up = !concluded;
    }
    if (split->given_up) {
      stager_.reject(file, context);
      TRY_ASSIGN(result, stage_file(file, hand, context));
    }
    return keep(split->index, std::move(result));
  }

  /// An Error is the batch's; one of the file is a reason to give up.
  Result<void> append_part(SplitFile& split, size_t part, Context& context) {
    const ClaimedFile& file = batch_.files[split.index];
    const auto blob = split.input->another_blob();
    auto reader = split.input->format().open(*blob, split.parts[part], split.plan, context);
    int64_t rows = 0, rows_rescued = 0;
    while (reader && !split.given_up && !failed_) {
      TRY(context.check());
      auto block = (*reader)->next(context);
      if (!block) {
        split.given_up = true;
        return block.error().code == ErrorCode::kCancelled ? std::unexpected(block.error()) : Result<void>{};
      }
      if (!*block) {
        std::lock_guard lock(mutex_);
        split.rows += rows, split.rows_rescued += rows_rescued;
        split.drift = merge_fields(std::move(split.drift), (*reader)->drift().columns);
        return {};
      }
      rows += (*block)->batch->num_rows();
      rows_rescued += (*block)->rows_rescued;
      report(0, (*block)->batch->num_rows());
      TRY(stager_.append_part(file, static_cast<int>(part), **std::move(block), context));
    }
    split.given_up = true;
    return {};
  }

  /// False: it could not be read to its end.
  Result<bool> conclude_split(SplitFile& split, FileResult& result, Context& context) {
    const ClaimedFile& file = batch_.files[split.index];
    if (auto drained = split.input->drain(context); !drained) {
      if (drained.error().code == ErrorCode::kCancelled) return std::unexpected(drained.error());
      return false;
    }
    result.file = file;
    result.format = split.input->format().name();
    result.rows = split.rows, result.rows_rescued = split.rows_rescued;
    result.content_hash = split.input->content_hash();
    result.bytes_read = split.input->bytes_read();
    TRY(conclude(file, result, {std::move(split.drift)}, context));
    result.duration_ms = (step_.clock.monotonic_micros() - split.started_micros) / 1000;
    return true;
  }

  Result<FileResult> stage_file(const ClaimedFile& file, Hand& hand, Context& context) {
    const int64_t started = step_.clock.monotonic_micros();
    step_.ledger.note_in_hand(batch_.lease, hand.slot, file.path);
    FileResult result;
    result.file = file;
    auto delay = std::chrono::microseconds(kReadBackoff);
    for (int attempt = 1;; ++attempt) {
      TRY(context.check());
      TRY_ASSIGN(const ReadEnd end, read_rows(file, result, hand, context));
      if (!end.file_error) break;
      stager_.reject(file, context);
      result.error = explain(*end.file_error, file.path);
      result.outcome = outcome_of(end.file_error->type, released_before(file));
      if (end.file_error->type != error_type::kUnavailable || attempt == kReadAttemptsMax) break;
      if (!step_.clock.sleep(delay, context.stop)) TRY(context.check());
      delay *= 2;
      result.error.reset();
    }
    result.duration_ms = (step_.clock.monotonic_micros() - started) / 1000;
    return result;
  }

  /// Reads the file to its end and admits it. An Error is the batch's.
  Result<ReadEnd> read_rows(const ClaimedFile& file, FileResult& result, Hand& hand, Context& context) {
    const Source& source = source_of(step_.ingestion, file);
    auto store = step_.stores.store_for(file.path, source.store);
    if (!store) return ReadEnd{as_file_error(store.error())};
    if (file.size_bytes <= kWholeFileBytesMax) return read_small(file, source, **store, result, hand, context);
    auto input = open_input(**store, source, file, [this](int64_t bytes) { report(bytes, 0); }, context);
    if (!input) return file_error(input.error());
    return read_alone(file, source, **input, result, context);
  }

  Result<WholeFile> whole_file(const ClaimedFile& file, ObjectStore& store, Hand& hand, Context& context) {
    if (const auto kept = step_.sampled ? step_.sampled->take(file) : std::nullopt) return hold_whole_file(*kept, hand.buffer);
    return read_whole_file(store, file, hand.buffer, context);
  }

  /// A small file's rows join others' at once, unless there is something to be said about it.
  Result<ReadEnd> read_small(const ClaimedFile& file, const Source& source, ObjectStore& store, FileResult& result, Hand& hand,
                             Context& context) {
    auto whole = whole_file(file, store, hand, context);
    if (!whole) return file_error(whole.error());
    auto format = recognise(source, file, *whole, context);
    if (!format) return file_error(format.error());
    const bool has_header_to_check = step_.contract && step_.ingestion.schema.validate;
    if (file.loaded_version.empty() && !has_header_to_check) {
      const auto plan = [&] { return read_plan(target_, step_.ingestion, source, step_.contract != nullptr); };
      TRY_ASSIGN(const auto rows, hand.bundles.add(file, whole->bytes, source, **format, plan, context));
      if (rows) {
        result.format = (*format)->name();
        result.rows = *rows, result.rows_rescued = result.rows_rejected = 0;
        result.bytes_read = std::ssize(whole->bytes);
        result.content_hash = std::move(whole->content_hash);
        result.outcome = FileOutcome::kLoaded;
        report(result.bytes_read, *rows);
        return ReadEnd{};
      }
    }
    report(std::ssize(whole->bytes), 0);
    return read_alone(file, source, *open_whole_file(*whole, **format), result, context);
  }

  Result<ReadEnd> read_alone(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result, Context& context) {
    result.format = input.format().name();
    if (step_.contract && step_.ingestion.schema.validate) {
      auto mismatch = header_mismatch(input, *step_.contract, step_.ingestion, source, context);
      if (!mismatch) return file_error(mismatch.error());
      if (*mismatch) return kept_out(file, result, **mismatch);
    }
    const ReadPlan plan = read_plan(target_, step_.ingestion, source, step_.contract != nullptr);
    auto reader = input.format().open(input.blob(), {}, plan, context);
    if (!reader) return file_error(reader.error());
    result.rows = result.rows_rescued = result.rows_rejected = 0;
    for (;;) {
      TRY(context.check());
      auto block = (*reader)->next(context);
      if (!block) return file_error(block.error());
      if (!*block) break;
      result.rows += (*block)->batch->num_rows();
      result.rows_rescued += (*block)->rows_rescued;
      result.rows_rejected += static_cast<int64_t>((*block)->bad_rows.size());
      report(0, (*block)->batch->num_rows());
      TRY(stager_.append(file, **std::move(block), context));
    }
    if (auto drained = input.drain(context); !drained) return file_error(drained.error());
    result.content_hash = input.content_hash();
    result.bytes_read = input.bytes_read();
    return conclude(file, result, (*reader)->drift(), context);
  }

  ReadEnd kept_out(const ClaimedFile& file, FileResult& result, const std::string& mismatch) {
    result.outcome = FileOutcome::kSkipped;
    result.error = Error{ErrorCode::kInvalidInput, fmt::format("{}: {}; the file was not loaded", base_name(file.path), mismatch),
                         std::string(error_type::kSchemaMismatch)};
    return {};
  }

  /// The file is read whole: touched, refused, or admitted.
  Result<ReadEnd> conclude(const ClaimedFile& file, FileResult& result, const Drift& drift, Context& context) {
    const bool loaded_before = !file.loaded_version.empty();
    if (loaded_before && (file.loaded_hash == result.content_hash || step_.ingestion.on_change == OnChange::kFail)) {
      stager_.reject(file, context);
      result.rows = result.rows_rescued = result.rows_rejected = 0;
      result.outcome = FileOutcome::kUnchanged;
      if (file.loaded_hash != result.content_hash) {
        result.outcome = FileOutcome::kRefused;
        result.error = Error{ErrorCode::kConflict,
                             fmt::format("{}: its content changed since it was loaded (on_change: fail); the loaded rows stay, the new "
                                         "content was not loaded",
                                         base_name(file.path)),
                             std::string(error_type::kChanged)};
      }
      return ReadEnd{};
    }
    if (step_.approval) {
      const EvolutionPlan plan = plan_drift(target_, drift.columns, result.rows_rescued > 0, step_.ingestion.schema.mode);
      if (!step_.approval->covers(plan.texts)) return wait_for_approval(file, result, plan, context);
    }
    TRY(stager_.admit(file, context));
    result.outcome = FileOutcome::kLoaded;
    std::lock_guard lock(mutex_);
    staged_.rescued |= result.rows_rescued > 0;
    staged_.drift.columns = merge_fields(std::move(staged_.drift.columns), drift.columns);
    return ReadEnd{};
  }

  ReadEnd wait_for_approval(const ClaimedFile& file, FileResult& result, const EvolutionPlan& plan, Context& context) {
    stager_.reject(file, context);
    result.rows = result.rows_rescued = result.rows_rejected = 0;
    result.outcome = FileOutcome::kReleased;
    result.error = needs_approval(plan.texts);
    return {};
  }

  static Result<ReadEnd> file_error(const Error& error) {
    if (error.code == ErrorCode::kCancelled) return std::unexpected(error);
    return ReadEnd{as_file_error(error)};
  }

  int released_before(const ClaimedFile& file) const {
    if (!step_.releases) return 0;
    const auto it = step_.releases->find(file.path);
    return it == step_.releases->end() ? 0 : it->second;
  }

  void report(int64_t bytes, int64_t rows) {
    std::lock_guard lock(progress_mutex_);
    step_.observer.progress(bytes, rows);
  }

  const StageStep& step_;
  const TargetState& target_;
  Stager& stager_;
  const ClaimedBatch& batch_;
  std::vector<size_t> order_;  // constant after construction, as the two below
  int64_t batch_bytes_ = 0;
  bool may_split_ = false;
  std::atomic<bool> failed_{false};
  std::mutex progress_mutex_;
  std::mutex mutex_;  // protects what follows
  std::condition_variable more_tasks_;
  size_t next_ = 0;         // in order_
  std::deque<Task> parts_;  // that nobody reads yet
  int splitting_ = 0;       // files that may still become parts
  Staged staged_;
  std::optional<Error> failure_;
};

}  // namespace

ReadPlan read_plan(const TargetState& target, const Ingestion& ingestion, const Source& source, bool has_contract) {
  ReadPlan plan;
  plan.columns.schema_id = target.schema.schema_id;
  for (const Field& field : target.schema.fields) {
    if (!is_metadata_column(field.name)) plan.columns.fields.push_back(field);
  }
  const SchemaMode mode = ingestion.schema.mode;
  plan.rescue = mode != SchemaMode::kFixed;
  plan.report_drift = (mode == SchemaMode::kEvolve || mode == SchemaMode::kApprove) && !has_contract;
  plan.infer = ingestion.schema.infer;
  plan.bad_rows = ingestion.on_bad_row;
  plan.csv = source.csv;
  plan.json = source.json;
  return plan;
}

Result<std::optional<std::string>> header_mismatch(InputFile& input, const Schema& contract, const Ingestion& ingestion,
                                                   const Source& source, Context& context) {
  TRY_ASSIGN(const Inferred inferred, input.format().infer(input.blob(), kHeaderSampleBytes, source, ingestion.schema.infer, context));
  if (inferred.header.empty()) return std::nullopt;
  const bool keys_may_miss = input.format().name() == "json";
  return check_header(contract, inferred.header, keys_may_miss);
}

Result<Staged> stage_files(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch, Context& context) {
  FileStage stage(step, target, stager, batch);
  return stage.run(context);
}

}  // namespace sluice
