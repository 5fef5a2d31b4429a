#include "pipeline/disposition.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/mark_rules.h"
#include "pipeline/run_loop.h"
#include "storage/glob.h"
#include "storage/local_move.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr size_t kAtOnceMax = 10'000;  // files disposed of between two listings
constexpr int kSuffixesMax = 1000;
constexpr size_t kWarningsMax = 20;
constexpr std::string_view kMovePrefix = "move:";

/// The folder that a source's pattern starts at, ending in "/"; moved files keep their path below it.
Result<std::string> folder_of_pattern(const std::string& pattern) {
  TRY_ASSIGN(const std::string uri, absolute_uri(pattern));
  TRY_ASSIGN(const Glob glob, Glob::parse(uri));
  std::string folder(glob.fixed_folder());
  folder.resize(folder.rfind('/') + 1);
  return folder;
}

/// Whether files below `folder` may be listed by the pattern; a literal may be a folder, with all that is below it.
Result<bool> may_list(const std::string& pattern, const std::string& folder) {
  TRY_ASSIGN(const std::string uri, absolute_uri(pattern));
  TRY_ASSIGN(const Glob glob, Glob::parse(uri));
  if (glob.is_literal()) return folder.starts_with(uri.ends_with('/') ? uri : uri + "/");
  return glob.below(folder) != Below::kNothing;
}

Result<void> check_target(const Ingestion& ingestion, const Disposition& disposition) {
  if (disposition.kind != Disposition::Kind::kMove) return {};
  for (const Source& source : ingestion.sources) {
    for (const std::string& path : source.paths) {
      TRY_ASSIGN(const std::string uri, absolute_uri(path));
      if (scheme_of(uri) != scheme_of(disposition.folder)) {
        return invalid_input(fmt::format("move:{}: files of {} can be moved within their own store only", disposition.folder, uri));
      }
      TRY_ASSIGN(const bool again, may_list(path, disposition.folder));
      if (again) {
        return invalid_input(
            fmt::format("move:{}: the source {} would list the moved files again; name a folder outside of it", disposition.folder, uri));
      }
    }
  }
  return {};
}

class Disposer {
 public:
  Disposer(const EngineParts& parts, const Ingestion& ingestion, const Dispositions& dispositions)
      : parts_(parts), ingestion_(ingestion), dispositions_(dispositions) {}

  Result<DisposedFiles> run(Context& context) {
    for (const Source& source : ingestion_.sources) {
      TRY_ASSIGN(store_, parts_.stores.store_for(source.paths.front(), source.store));
      // What is listed is not touched while it is listed; where much is to be done, the rest is listed again.
      for (bool more = true; more;) {
        const int64_t before = result_.moved + result_.deleted;
        TRY_ASSIGN(const auto files, candidates(source, context));
        for (const Candidate& file : files) dispose(source, file, context);
        more = files.size() == kAtOnceMax && result_.moved + result_.deleted > before;
        TRY(context.check());
      }
    }
    if (stay_ > kWarningsMax) result_.warnings.push_back(fmt::format("and {} file(s) more stay", stay_ - kWarningsMax));
    return std::move(result_);
  }

 private:
  struct Candidate {
    ListedFile file;
    const Disposition* what;
  };

  Result<std::vector<Candidate>> candidates(const Source& source, Context& context) {
    std::vector<Candidate> found;
    TRY_ASSIGN(auto feed, open_feed(parts_, ingestion_, source, {}));
    for (bool last = false; !last && found.size() < kAtOnceMax;) {
      TRY_ASSIGN(FeedPage page, feed->next(context));
      last = page.last;
      for (ListedFile& file : page.files) {
        TRY_ASSIGN(const Disposition* what, disposition_of(source, file));
        if (what && found.size() < kAtOnceMax) found.push_back({std::move(file), what});
      }
    }
    return found;
  }

  /// nullptr: it stays.
  Result<const Disposition*> disposition_of(const Source& source, const ListedFile& file) {
    TRY_ASSIGN(const FilePage page, parts_.history.files({.ingestion = ingestion_.id, .path = file.path}));
    const auto record = std::ranges::find(page.files, source.id, &FileRecord::source);
    if (record == page.files.end() || record->version != file.version) return nullptr;
    TRY_ASSIGN(const End end, end_of(*record));
    const Disposition* what = end == End::kDone ? &dispositions_.done : end == End::kFailed ? &dispositions_.failed : nullptr;
    return what && what->kind != Disposition::Kind::kKeep ? what : nullptr;
  }

  enum class End { kPending, kDone, kFailed };

  Result<End> end_of(const FileRecord& record) {
    if (record.state == FileState::kFailed) return record.attempts >= ingestion_.retry_attempts_max ? End::kFailed : End::kPending;
    if (record.state != FileState::kSuccess) return End::kPending;
    if (record.loaded_version.empty()) return end_of_members(record);
    return record.loaded_version == record.version ? End::kDone : End::kPending;
  }

  /// An archive is what its members are: failed when one is, done when all are. Skipped ones decide nothing.
  Result<End> end_of_members(const FileRecord& archive) {
    End end = End::kDone;
    TRY_ASSIGN(const auto members, parts_.work.known_members(ingestion_.id, archive.source, archive.path));
    for (;;) {
      TRY_ASSIGN(const auto member, members->next());
      if (!member) return end;
      TRY_ASSIGN(const FilePage page, parts_.history.files({.ingestion = ingestion_.id, .path = member->path}));
      for (const FileRecord& record : page.files) {
        if (record.source != archive.source || record.state == FileState::kSkipped) continue;
        TRY_ASSIGN(const End one,
                   record.loaded_version.empty() && record.state == FileState::kSuccess ? Result<End>(End::kDone) : end_of(record));
        if (one == End::kPending) return End::kPending;
        if (one == End::kFailed) end = End::kFailed;
      }
    }
  }

  void dispose(const Source& source, const Candidate& candidate, Context& context) {
    const ListedFile& file = candidate.file;
    const bool moves = candidate.what->kind == Disposition::Kind::kMove;
    const Result<void> done = moves ? move(source, file, candidate.what->folder, context) : remove(file, context);
    if (done) {
      ++(moves ? result_.moved : result_.deleted);
    } else if (++stay_ <= kWarningsMax) {
      result_.warnings.push_back(done.error().message + "; a later run tries again");
    }
  }

  Result<void> remove(const ListedFile& file, Context& context) {
    const VersionedKey key{file.path, file.version};
    TRY_ASSIGN(const auto outcomes, store_->remove({&key, 1}, context));
    if (outcomes.front().error) return std::unexpected(*outcomes.front().error);
    return {};
  }

  Result<void> move(const Source& source, const ListedFile& file, const std::string& folder, Context& context) {
    TRY_ASSIGN(const std::string target, target_of(source, file, folder));
    for (int suffix = 0; suffix < kSuffixesMax; ++suffix) {
      TRY_ASSIGN(const bool moved, move_to(file, suffix == 0 ? target : fmt::format("{}.{}", target, suffix), context));
      if (moved) return {};
    }
    return fail(ErrorCode::kConflict, fmt::format("{}: {} and {} other names are taken", file.path, target, kSuffixesMax - 1));
  }

  Result<std::string> target_of(const Source& source, const ListedFile& file, const std::string& folder) {
    size_t longest = file.path.rfind('/') + 1;
    bool found = false;
    for (const std::string& pattern : source.paths) {
      TRY_ASSIGN(const std::string start, folder_of_source(pattern, file.path));
      if (start.empty() || (found && start.size() <= longest)) continue;
      longest = start.size();
      found = true;
    }
    return folder + file.path.substr(longest);
  }

  /// Empty: the pattern does not lead to the file.
  static Result<std::string> folder_of_source(const std::string& pattern, const std::string& path) {
    TRY_ASSIGN(const std::string uri, absolute_uri(pattern));
    const std::string as_folder = uri.ends_with('/') ? uri : uri + "/";
    if (path.starts_with(as_folder)) return as_folder;
    TRY_ASSIGN(std::string folder, folder_of_pattern(pattern));
    return path.starts_with(folder) ? folder : std::string();
  }

  /// false: another file has that name.
  Result<bool> move_to(const ListedFile& file, const std::string& target, Context& context) {
    const auto there = store_->stat(target, context);
    if (!there && there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    if (there) {
      TRY_ASSIGN(const bool same, is_same(file, *there, context));
      if (same) TRY(remove(file, context));
      return same;
    }
    if (is_local(file.path)) {
      TRY_ASSIGN(const std::string from, local_path(file.path));
      TRY_ASSIGN(const std::string to, local_path(target));
      TRY_ASSIGN(const MoveEnd end, move_local_file(from, file.version, to));
      if (end != MoveEnd::kElsewhere) return end == MoveEnd::kMoved;
    }
    return copy_and_remove(file, target, context);
  }

  Result<bool> copy_and_remove(const ListedFile& file, const std::string& target, Context& context) {
    TRY_ASSIGN(const ObjectInfo now, store_->stat(file.path, context));
    if (now.version != file.version) return fail(ErrorCode::kConflict, fmt::format("{}: it changed; it stays where it is", file.path));
    auto copied = store_->copy(file.path, target, {.if_none_match = true}, context);
    if (!copied && copied.error().code == ErrorCode::kConflict) return false;
    TRY(copied);
    auto removed = remove(file, context);
    if (!removed && removed.error().code == ErrorCode::kConflict) {
      // It changed while it was copied: the copy is of nobody knows which version.
      const VersionedKey copy{target, copied->version};
      TRY(store_->remove({&copy, 1}, context));
    }
    TRY(removed);
    return true;
  }

  /// What a move that was cut off after the copy leaves.
  Result<bool> is_same(const ListedFile& file, const ObjectInfo& there, Context& context) {
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
  const Ingestion& ingestion_;
  const Dispositions& dispositions_;
  ObjectStore* store_ = nullptr;  ///< of the source in hand
  DisposedFiles result_;
  size_t stay_ = 0;
};

}  // namespace

Result<Disposition> parse_disposition(std::string_view text) {
  if (text == "keep") return Disposition{};
  if (text == "delete") return Disposition{Disposition::Kind::kDelete, ""};
  if (text.starts_with(kMovePrefix) && text.size() > kMovePrefix.size()) {
    TRY_ASSIGN(std::string folder, absolute_uri(text.substr(kMovePrefix.size())));
    if (!folder.ends_with('/')) folder += '/';
    return Disposition{Disposition::Kind::kMove, std::move(folder)};
  }
  return invalid_input(fmt::format("\"{}\" is no disposition: keep | delete | move:PATH", text));
}

Result<void> check_dispositions(const Ingestion& ingestion, const Dispositions& dispositions) {
  if (!ingestion.tracking && dispositions.any()) {
    return invalid_input("without tracking nobody knows which files are done: no file can be moved or deleted");
  }
  TRY(check_target(ingestion, dispositions.done));
  return check_target(ingestion, dispositions.failed);
}

Result<DisposedFiles> dispose_files(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, const Dispositions& dispositions,
                                    Context& context) {
  TRY_ASSIGN(const auto confirmed, newest_confirmed(parts.work, ingestion));
  const auto state = sink.load(context);
  if (state) {
    TRY(check_mark(parts.work, sink, *state, ingestion, confirmed));
  } else if (confirmed || state.error().code != ErrorCode::kNotFound) {
    return std::unexpected(state.error());
  }
  return Disposer(parts, ingestion, dispositions).run(context);
}

}  // namespace sluice
