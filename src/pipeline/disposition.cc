#include "pipeline/disposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "pipeline/mark_rules.h"
#include "pipeline/run_loop.h"
#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr int kSuffixesMax = 1000;
constexpr size_t kWarningsMax = 20;

std::string folder_uri(std::string uri) { return uri.ends_with('/') ? uri : uri + '/'; }

/// Where a careless glob into a warehouse finds the files of tables: they are loaded, perhaps, but never disposed of.
struct FolderOfTables {
  std::string folder;
  bool is_shared;  ///< a warehouse: of other files, too; tables' own lie in folders named data and metadata

  bool holds(std::string_view path) const {
    if (!path.starts_with(folder)) return false;
    const std::string_view rest = path.substr(folder.size());
    return !is_shared || rest.contains("/data/") || rest.contains("/metadata/");
  }
};

class Disposer {
 public:
  Disposer(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion, std::vector<FolderOfTables> of_tables,
           DisposedFiles& result)
      : parts_(parts), sink_(sink), ingestion_(ingestion), of_tables_(std::move(of_tables)), result_(result) {}

  Result<void> run(const std::optional<std::vector<std::string>>& files_from, Context& context) {
    for (const Source& source : ingestion_.sources) {
      TRY_ASSIGN(store_, parts_.stores.store_for(source.paths.front(), source.store));
      TRY_ASSIGN(auto feed, open_feed(parts_, sink_, ingestion_, source, files_from));
      // A page is done with before the next one is listed: a listing goes on behind the last name, whatever became of those before it.
      for (bool last = false; !last;) {
        TRY_ASSIGN(const FeedPage page, feed->next(context));
        last = page.last;
        TRY_ASSIGN(const auto candidates, candidates_of(source, page));
        dispose_all(source, candidates, context);
        const auto tagged = std::exchange(tagged_, {});
        TRY(settle_ledger_write(parts_.clock, context, [&] { return parts_.work.record_disposed(ingestion_.id, source.id, tagged); }));
        TRY(context.check());
      }
      if (files_from) break;  // an explicit list belongs to the first source
    }
    return {};
  }

  /// The files that were not named.
  size_t left_unnamed() const { return stay_ > kWarningsMax ? stay_ - kWarningsMax : 0; }

 private:
  struct Candidate {
    ListedFile file;
    FileEnd end;
    const Disposition* what;
  };

  Result<std::vector<Candidate>> candidates_of(const Source& source, const FeedPage& page) {
    std::map<std::string_view, const ListedFile*> listed;
    std::vector<std::string> paths;
    for (const ListedFile& file : page.files) {
      listed[file.path] = &file;
      paths.push_back(file.path);
    }
    std::vector<Candidate> found;
    TRY_ASSIGN(const auto ended, parts_.work.ended_files(ingestion_.id, source.id, ingestion_.retry_attempts_max, paths));
    for (const EndedFile& one : ended) {
      const Disposition& what = one.end == FileEnd::kDone ? ingestion_.disposition.done : ingestion_.disposition.failed;
      const ListedFile& file = *listed.at(one.path);
      const bool is_of_table = std::ranges::any_of(of_tables_, [&](const FolderOfTables& folder) { return folder.holds(one.path); });
      if (is_of_table && what.kind != Disposition::Kind::kKeep) keep_of_table(file);
      const bool stays = is_of_table || what.kind == Disposition::Kind::kKeep || (what.kind == Disposition::Kind::kTag && one.disposed);
      if (!stays && file.version == one.version) found.push_back({file, one.end, &what});
    }
    return found;
  }

  void keep_of_table(const ListedFile& file) {
    const std::lock_guard lock(mutex_);
    if (++stay_ > kWarningsMax) return;
    result_.warnings.push_back(file.path + ": it lies where tables have their own files; it stays. Name a source that leaves them out");
  }

  /// Several at once where each waits for a network.
  void dispose_all(const Source& source, const std::vector<Candidate>& candidates, Context& context) {
    std::atomic<size_t> next = 0;
    const auto work = [&](Context own) {
      for (size_t i = next++; i < candidates.size() && own.check(); i = next++) count(candidates[i], dispose(source, candidates[i], own));
    };
    const size_t lanes = std::min(candidates.size(), static_cast<size_t>(store_->lists_at_once()));
    std::vector<std::jthread> threads;
    for (size_t lane = 1; lane < lanes; ++lane) threads.emplace_back(work, context);
    work(context);
  }

  /// kNotFound: the file is gone, another worker was first.
  Result<void> dispose(const Source& source, const Candidate& candidate, Context& context) {
    auto done = carry_out(source, candidate, context);
    if (done || done.error().code != ErrorCode::kNotFound || !store_->stat(candidate.file.path, context)) return done;
    Error error = std::move(done).error();
    error.code = ErrorCode::kUnavailable;  // something else is missing
    return std::unexpected(std::move(error));
  }

  Result<void> carry_out(const Source& source, const Candidate& candidate, Context& context) {
    const ListedFile& file = candidate.file;
    switch (candidate.what->kind) {
      case Disposition::Kind::kKeep: return {};
      case Disposition::Kind::kDelete: return remove(file, context);
      case Disposition::Kind::kMove: return move(source, file, candidate.what->folder, context);
      case Disposition::Kind::kTag:
        return store_->tag({file.path, file.version}, {kDispositionTag, std::string(to_string(candidate.end))}, context);
    }
    return {};
  }

  void count(const Candidate& candidate, const Result<void>& done) {
    const std::lock_guard lock(mutex_);
    using enum Disposition::Kind;
    const Disposition::Kind kind = candidate.what->kind;
    if (done) {
      ++(kind == kMove ? result_.moved : kind == kDelete ? result_.deleted : result_.tagged);
      if (kind == kTag) tagged_.push_back({.path = candidate.file.path, .version = candidate.file.version, .end = candidate.end});
    } else if (done.error().code != ErrorCode::kNotFound && done.error().code != ErrorCode::kCancelled && ++stay_ <= kWarningsMax) {
      result_.warnings.push_back(done.error().message + "; a later run tries again");  // not found: another worker was first
    }
  }

  Result<void> remove(const ListedFile& file, Context& context) {
    const VersionedKey key{file.path, file.version};
    TRY_ASSIGN(const auto outcomes, store_->remove({&key, 1}, context));
    if (outcomes.front().error) return std::unexpected(*outcomes.front().error);
    return {};
  }

  Result<void> move(const Source& source, const ListedFile& file, const std::string& folder, Context& context) {
    const std::string target = fmt::format("{}{}", folder, path_below(source.paths, file.path));
    for (int suffix = 0; suffix < kSuffixesMax; ++suffix) {
      TRY_ASSIGN(const bool moved, move_to(file, suffix == 0 ? target : fmt::format("{}.{}", target, suffix), context));
      if (moved) return {};
    }
    return fail(ErrorCode::kConflict, fmt::format("{}: {} and {} other names are taken", file.path, target, kSuffixesMax - 1));
  }

  /// false: another file has that name.
  Result<bool> move_to(const ListedFile& file, const std::string& target, Context& context) {
    if (target == file.path) return std::unexpected(is_itself(file, target));
    auto there = store_->stat(target, context);
    if (!there && there.error().code == ErrorCode::kNotFound) {
      TRY_ASSIGN(const MoveEnd end, store_->rename({file.path, file.version}, target, context));
      if (end == MoveEnd::kMoved) return true;
      if (end == MoveEnd::kElsewhere) {
        TRY_ASSIGN(const bool copied, copy_and_remove(file, target, context));
        if (copied) return true;
      }
      there = store_->stat(target, context);  // somebody was quicker, perhaps another worker with this file
    }
    TRY(there);
    TRY_ASSIGN(const bool same, is_same(file, *there, context));
    if (same) TRY(remove(file, context));
    return same;
  }

  /// false: something lies at the target by now.
  Result<bool> copy_and_remove(const ListedFile& file, const std::string& target, Context& context) {
    TRY_ASSIGN(const ObjectInfo now, store_->stat(file.path, context));
    if (now.version != file.version) return fail(ErrorCode::kConflict, fmt::format("{}: it changed; it stays where it is", file.path));
    auto copied = store_->copy(file.path, target, {.if_none_match = true}, context);
    if (!copied && copied.error().code == ErrorCode::kConflict) return false;
    TRY(copied);
    // Where it changed in the meantime the copy stays: another worker may have counted on it, and removed the version that it is of.
    TRY(remove(file, context));
    return true;
  }

  static Error is_itself(const ListedFile& file, const std::string& target) {
    return {ErrorCode::kConflict, fmt::format("{}: {} is the same file; it stays where it is", file.path, target)};
  }

  /// A link or a mount may give one file two names.
  static Result<void> check_is_another(const ListedFile& file, const std::string& target) {
    if (!is_local(file.path) || !is_local(target)) return {};
    TRY_ASSIGN(const std::string from, local_path(file.path));
    TRY_ASSIGN(const std::string to, local_path(target));
    std::error_code error;
    if (!std::filesystem::equivalent(from, to, error)) return {};
    return std::unexpected(is_itself(file, target));
  }

  /// What a move that was cut off after the copy leaves.
  Result<bool> is_same(const ListedFile& file, const ObjectInfo& there, Context& context) {
    TRY(check_is_another(file, there.path));
    if (file.size_bytes != there.size_bytes) return false;
    const auto a = store_->open(file), b = store_->open(there);
    TRY_ASSIGN(const auto left, a->open({}, context));
    TRY_ASSIGN(const auto right, b->open({}, context));
    std::vector<char> of_left(kReadBlockBytes), of_right(kReadBlockBytes);
    for (;;) {
      TRY_ASSIGN(const size_t count, left->read(of_left, context));
      TRY_ASSIGN(const size_t other, right->read(of_right, context));
      if (count != other || !std::equal(of_left.begin(), of_left.begin() + static_cast<ptrdiff_t>(count), of_right.begin())) return false;
      if (count == 0) return true;
    }
  }

  const EngineParts& parts_;
  const Sink& sink_;
  const Ingestion& ingestion_;
  const std::vector<FolderOfTables> of_tables_;
  ObjectStore* store_ = nullptr;  // of the source in hand
  std::mutex mutex_;
  // Protected by mutex_.
  DisposedFiles& result_;
  std::vector<EndedFile> tagged_;  // to be remembered
  size_t stay_ = 0;
};

Result<void> dispose(const EngineParts& parts, const Ingestion& ingestion, Sink& sink,
                     const std::optional<std::vector<std::string>>& files_from, DisposedFiles& result, Context& context) {
  TRY_ASSIGN(const auto confirmed, newest_confirmed(parts.work, ingestion));
  const auto state = sink.load(context);
  if (state) {
    TRY(check_mark(parts.work, sink, *state, ingestion, confirmed));
  } else if (confirmed || state.error().code != ErrorCode::kNotFound) {
    return std::unexpected(state.error());
  }
  std::vector<FolderOfTables> of_tables;
  if (const std::string warehouse = sink.warehouse(); !warehouse.empty()) of_tables.push_back({folder_uri(warehouse), /*is_shared=*/true});
  if (state && !ingestion.parquet) of_tables.push_back({folder_uri(state->pin.table_location), false});
  Disposer disposer(parts, sink, ingestion, std::move(of_tables), result);
  TRY(disposer.run(files_from, context));
  if (disposer.left_unnamed() > 0) result.warnings.push_back(fmt::format("and {} file(s) more stay", disposer.left_unnamed()));
  return {};
}

}  // namespace

DisposedFiles dispose_files(const EngineParts& parts, const Ingestion& ingestion, Sink& sink,
                            const std::optional<std::vector<std::string>>& files_from, Context& context) {
  DisposedFiles result;
  if (auto done = dispose(parts, ingestion, sink, files_from, result, context); !done) result.error = std::move(done).error();
  return result;
}

}  // namespace sluice
