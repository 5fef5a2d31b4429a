#include "pipeline/staging.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "pipeline/defined_reader.h"
#include "pipeline/file_reader.h"
#include "pipeline/input_file.h"
#include "pipeline/member_groups.h"
#include "pipeline/members.h"
#include "pipeline/read_rules.h"
#include "pipeline/split_file.h"
#include "pipeline/target.h"
#include "schema/inference.h"

namespace sluice {
namespace {

/// Reads one batch's files. Each thread takes the next file until none is left.
class FileStage {
 public:
  FileStage(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch)
      : step_(step),
        target_(target),
        stager_(stager),
        batch_(batch),
        reader_(step, target, stager, batch),
        groups_(member_groups(batch.files)) {
    for (size_t i = 0; i < batch.files.size(); ++i) {
      if (batch.files[i].archive.empty()) order_.push_back(i);
    }
    // Large files first, so that no thread is left alone with one at the end; equals in path order.
    std::ranges::stable_sort(order_, std::greater<>(),
                             [&](size_t i) { return batch.files[i].size_bytes > kWholeFileBytesMax ? batch.files[i].size_bytes : 0; });
    results_.resize(batch.files.size());
    for (const ClaimedFile& file : batch.files) batch_bytes_ += file.size_bytes;
    // The number of a row within its file is known only to one who has read all before it.
    may_split_ = !step.object_per_file && target.schema.find("_source_row") == nullptr;
  }

  Result<Staged> run(Context& context) {
    int64_t tasks = 0;
    for (const ClaimedFile& file : batch_.files) tasks += file.archive.empty() ? parts_of(file) : 1;
    const auto threads = static_cast<int>(std::clamp<int64_t>(tasks, 1, std::max(1, step_.threads)));
    {
      std::vector<std::jthread> workers;
      for (int slot = 1; slot < threads; ++slot) workers.emplace_back([this, slot, context] { work(slot, context); });
      work(0, context);
    }
    if (failure_ && failure_->code == ErrorCode::kCancelled && step_.object_per_file) {
      release_unread();
    } else if (failure_) {
      return std::unexpected(*failure_);
    }
    ReadingFound found = reader_.take_found();
    return Staged{std::move(results_), std::move(found.members), std::move(found.drift), found.rescued};
  }

 private:
  /// A file, a part of one that another thread has split, or members of one archive.
  struct Task {
    std::optional<MemberGroup> group = std::nullopt;
    size_t index = 0;
    std::shared_ptr<SplitFile> split = nullptr;
    size_t part = 0;
  };

  /// Stopped half-way: objects that are there count, the other files are free again.
  void release_unread() {
    for (size_t i = 0; i < results_.size(); ++i) {
      if (!results_[i].file.path.empty()) continue;
      results_[i].file = batch_.files[i];
      results_[i].outcome = FileOutcome::kReleased;
    }
  }

  int64_t parts_of(const ClaimedFile& file) const { return may_split_ ? parts_wanted(file.size_bytes, batch_bytes_, step_.threads) : 1; }

  void work(int slot, Context context) {
    ReadingHand hand{slot, Bundles(stager_)};
    if (auto done = work_on(hand, context); !done) {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = done.error();
      failed_ = true;
      more_tasks_.notify_all();
    }
    step_.ledger.note_in_hand(batch_.lease, slot, "");
  }

  Result<void> work_on(ReadingHand& hand, Context& context) {
    while (const auto task = next_task()) {
      if (task->group) {
        TRY(take_group(*task->group, hand, context));
      } else {
        TRY(task->split ? read_part(task->split, task->part, hand, context) : take_file(task->index, hand, context));
      }
    }
    return failed_.load() ? Result<void>{} : hand.bundles.flush(context);
  }

  /// nullopt: nothing is left, nor will be: nothing is just being split.
  std::optional<Task> next_task() {
    std::unique_lock lock(mutex_);
    more_tasks_.wait(lock,
                     [&] { return failed_.load() || !parts_.empty() || !groups_.empty() || next_ < order_.size() || splitting_ == 0; });
    if (failed_.load()) return std::nullopt;
    if (!parts_.empty()) {
      Task task = std::move(parts_.front());
      parts_.pop_front();
      return task;
    }
    if (!groups_.empty()) {
      Task task{std::move(groups_.front())};
      groups_.pop_front();
      ++splitting_;
      return task;
    }
    if (next_ == order_.size()) return std::nullopt;
    const size_t index = order_[next_++];
    splitting_ += parts_of(batch_.files[index]) > 1;
    return Task{.index = index};
  }

  Result<void> take_file(size_t index, ReadingHand& hand, Context& context) {
    const ClaimedFile& file = batch_.files[index];
    std::shared_ptr<SplitFile> split;
    if (parts_of(file) > 1) {
      split = split_file(index, context);
      std::lock_guard lock(mutex_);
      --splitting_;
      for (size_t part = 1; split && part < split->parts.size(); ++part) parts_.push_back({.index = index, .split = split, .part = part});
      more_tasks_.notify_all();
    }
    if (split) return read_part(split, 0, hand, context);
    TRY_ASSIGN(FileResult result, reader_.read_file(file, hand, context));
    return keep(index, std::move(result));
  }

  Result<void> keep(size_t index, FileResult result) {
    std::lock_guard lock(mutex_);
    results_[index] = std::move(result);
    step_.observer.file_staged();
    return {};
  }

  /// nullptr: one reader for all of it; who reads it says what is wrong, if anything is.
  std::shared_ptr<SplitFile> split_file(size_t index, Context& context) {
    const ClaimedFile& file = batch_.files[index];
    const Source& source = source_of(step_.ingestion, file);
    auto store = step_.stores.store_for(file.path, source.store);
    // Members of an archive that this was before are ended by who reads it alone.
    if (!store || may_have_members(file.format) || (step_.contract && step_.ingestion.schema.validate)) return nullptr;
    auto split = std::make_shared<SplitFile>();
    split->index = index;
    split->started_micros = step_.clock.monotonic_micros();
    auto input = open_input(**store, source, file, [this](int64_t bytes) { reader_.report(bytes, 0); }, context);
    if (!input || (*input)->container()) return nullptr;
    split->input = *std::move(input);
    split->plan = read_plan(target_, step_.ingestion, source, step_.contract != nullptr);
    split->plan.bad_rows = BadRows{};  // whatever is allowed: its line is to be told, and one reader counts
    auto defined = define_columns(step_.rules, split->plan, split->input->format(), file);
    if (!defined) return nullptr;
    split->defined = *std::move(defined);
    const ReadPlan& plan = split->defined ? split->defined->file_plan() : split->plan;
    auto ranges = split->input->format().split(split->input->blob(), plan, context);
    if (!ranges || ranges->size() < 2) return nullptr;
    if (step_.observer.wants_formats()) reader_.tell_format(file, source, split->input->blob(), context);
    split->parts = join_ranges(*ranges, parts_of(file));
    split->unfinished = split->parts.size();
    return split;
  }

  /// The last part's reader concludes the file.
  Result<void> read_part(const std::shared_ptr<SplitFile>& split, size_t part, ReadingHand& hand, Context& context) {
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
      TRY_ASSIGN(result, reader_.read_file(file, hand, context));
    }
    return keep(split->index, std::move(result));
  }

  /// An Error is the batch's; one of the file is a reason to give up.
  Result<void> append_part(SplitFile& split, size_t part, Context& context) {
    const ClaimedFile& file = batch_.files[split.index];
    const auto blob = split.input->another_blob();
    auto reader = open_reader(split.defined, split.plan, split.input->format(), *blob, split.parts[part], context);
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
      reader_.report(0, (*block)->batch->num_rows());
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
    TRY(reader_.conclude(file, result, {std::move(split.drift)}, context));
    result.duration_ms = (step_.clock.monotonic_micros() - split.started_micros) / 1000;
    return true;
  }

  /// Members of one archive in one pass over it; again for those that its store did not give.
  Result<void> take_group(MemberGroup group, ReadingHand& hand, Context& context) {
    auto delay = std::chrono::microseconds(kReadBackoff);
    bool shared = false;
    for (int attempt = 1;; ++attempt) {
      TRY(context.check());
      const Source& source = source_of(step_.ingestion, batch_.files[group.indexes.front()]);
      auto opened = open_container(step_.stores, source, group.archive, context);
      if (!std::exchange(shared, true)) share_group(group, opened);
      std::vector<size_t> unavailable;
      const auto take = [&](const ClaimedFile& file, Result<MemberBytes> bytes) -> Result<void> {
        const auto index = static_cast<size_t>(&file - batch_.files.data());
        TRY_ASSIGN(FileResult result, reader_.read_member_file(file, source, std::move(bytes), hand, context));
        if (result.error && result.error->type == error_type::kUnavailable && attempt < kReadAttemptsMax) {
          unavailable.push_back(index);
          return {};
        }
        return keep(index, std::move(result));
      };
      const auto members = group.files(batch_.files);
      if (opened) {
        TRY(visit_members(**opened, members, take, context));
      } else {
        for (const ClaimedFile* file : members) TRY(take(*file, std::unexpected(opened.error())));
      }
      if (unavailable.empty()) return {};
      group.indexes = std::move(unavailable);
      if (!step_.clock.sleep(delay, context.stop)) TRY(context.check());
      delay *= 2;
    }
  }

  /// Other threads take their share where members can be had apart.
  void share_group(MemberGroup& group, const Result<std::unique_ptr<OpenContainer>>& opened) {
    std::lock_guard lock(mutex_);
    --splitting_;
    if (opened && (*opened)->container().members_apart() && !group.is_share) {
      for (MemberGroup& share : group.split_off_shares(static_cast<size_t>(step_.threads))) groups_.push_front(std::move(share));
    }
    more_tasks_.notify_all();
  }

  const StageStep& step_;
  const TargetState& target_;
  Stager& stager_;
  const ClaimedBatch& batch_;
  FileReader reader_;
  std::vector<size_t> order_;  // of files that are no members; constant after construction, as the two below
  int64_t batch_bytes_ = 0;
  bool may_split_ = false;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;  // protects what follows
  std::condition_variable more_tasks_;
  size_t next_ = 0;  // in order_
  std::deque<MemberGroup> groups_;
  std::deque<Task> parts_;           // that nobody reads yet
  int splitting_ = 0;                // files and groups that may still become several tasks
  std::vector<FileResult> results_;  // in the order of the batch
  std::optional<Error> failure_;
};

}  // namespace

Result<Staged> stage_files(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch, Context& context) {
  FileStage stage(step, target, stager, batch);
  return stage.run(context);
}

}  // namespace sluice
