// Runs of named files: `sluice retry` and explicit lists.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "pipeline/container.h"
#include "pipeline/members.h"
#include "pipeline/run_loop.h"

namespace sluice {
namespace {

/// An archive stands for its members.
bool is_named(const std::string& path, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& name) { return path == name || path.starts_with(member_path(name, "")); });
}

}  // namespace

/// `sluice retry`: the failed files are looked at again where they lie (they may have been repaired) and become claimable.
Result<void> RunLoop::discover_failed(Context& context) {
  std::map<SourceId, std::vector<std::string>> failed, lie_in;
  FilesQuery query{ingestion_.id, FileState::kFailed};
  int64_t count = 0;
  do {
    TRY_ASSIGN(FilePage page, parts_.history.files(query));
    for (FileRecord& file : page.files) {
      if (!options_.only_paths.empty() && !is_named(file.path, options_.only_paths)) continue;
      TRY_ASSIGN(std::string listed, listed_path(file.path, file.archive));
      lie_in[file.source].push_back(std::move(listed));
      failed[file.source].push_back(std::move(file.path));
      ++count;
    }
    query.cursor = page.next_cursor;
  } while (!query.cursor.empty());

  for (const auto& [id, paths] : failed) TRY(parts_.work.retry(ingestion_.id, paths));
  TRY(look_again(lie_in, context));
  TRY(find_named(context));
  report_.files_found = count;
  observer_.discovered(count, 0, count, 0, 0);
  return {};
}

/// Those of what was named, of an archive's members, and of the containers around a member: opening one records it anew.
Result<std::vector<int64_t>> RunLoop::records_of(std::span<const std::string> names, const Wanted& wanted, Context& context) {
  std::vector<int64_t> ids;
  /// Whether it may have members.
  const auto take = [&](const std::string& path) -> Result<bool> {
    TRY(context.check());
    TRY_ASSIGN(const FilePage page, parts_.history.files({.ingestion = ingestion_.id, .path = path}));
    for (const FileRecord& file : page.files) {
      if (wanted(file)) ids.push_back(file.id);
    }
    return std::ranges::any_of(page.files, [](const FileRecord& file) { return may_have_members(file.format); });
  };
  for (const std::string& name : names) {
    for (size_t at = name.find(kMemberMark); at != name.npos; at = name.find(kMemberMark, at + 1)) TRY(take(name.substr(0, at)));
    TRY_ASSIGN(const bool has_members, take(name));
    if (!has_members) continue;
    for (const Source& source : ingestion_.sources) {
      TRY_ASSIGN(const auto members, parts_.work.known_members(ingestion_.id, source.id, name));
      for (;;) {
        TRY_ASSIGN(const auto member, members->next());
        if (!member) break;
        TRY(take(member->path));
      }
    }
  }
  return ids;
}

/// As claims see it: not what this run has tried, nor what it put back for the next one.
RunLoop::Wanted RunLoop::waits() const {
  return [this](const FileRecord& file) {
    const bool is_of_this_run = file.run_id == report_.run.id.text;
    if (file.state == FileState::kFailed) return file.attempts < ingestion_.retry_attempts_max && !is_of_this_run;
    const bool was_put_back = file.error_type == error_type::kChangedWhileRead || file.error_type == error_type::kUnavailable;
    return file.state == FileState::kDiscovered && file.error_type != error_type::kNeedsApproval && !(was_put_back && is_of_this_run);
  };
}

/// Where files are named, nothing else is loaded.
Result<void> RunLoop::find_named(Context& context) {
  if (!names_files()) return {};
  TRY_ASSIGN(named_, records_of(names(), waits(), context));
  return {};
}

/// What a batch is done with is not asked for again, unless it waits once more or brought members.
Result<void> RunLoop::pass_named(const ClaimedBatch& batch, const BatchEnd& end, Context& context) {
  if (!names_files()) return {};
  looked_late_ = false;
  std::unordered_set<int64_t> done;
  for (const ClaimedFile& file : batch.files) done.insert(file.id);
  std::erase_if(named_, [&](int64_t id) { return done.contains(id); });
  std::vector<std::string> again;
  for (const FileResult& result : end.results) {
    const bool comes_again = result.outcome == FileOutcome::kReleased || result.outcome == FileOutcome::kExpanded;
    if (comes_again) again.push_back(result.file.path);
  }
  TRY_ASSIGN(const auto waiting, records_of(again, waits(), context));
  named_.insert(named_.end(), waiting.begin(), waiting.end());
  std::ranges::sort(named_);
  const auto repeated = std::ranges::unique(named_);
  named_.erase(repeated.begin(), repeated.end());
  return {};
}

/// Nothing that was named is in anybody's hands. What came out of them just now is asked for once more.
Result<bool> RunLoop::find_late_named(Context& context) {
  if (std::exchange(looked_late_, true)) return false;
  TRY(find_named(context));
  return !named_.empty();
}

/// The file that a listing shows: of a member, the archive that it lies in, or the one around that.
Result<std::string> RunLoop::listed_path(std::string path, std::string archive) {
  while (!archive.empty()) {
    path = std::exchange(archive, "");
    TRY_ASSIGN(const FilePage page, parts_.history.files({.ingestion = ingestion_.id, .path = path}));
    if (!page.files.empty()) archive = page.files.front().archive;
  }
  return path;
}

/// Records the present versions of known files.
Result<void> RunLoop::look_again(const std::map<SourceId, std::vector<std::string>>& paths, Context& context) {
  for (const auto& [id, of_source] : paths) {
    auto source = std::ranges::find(ingestion_.sources, id, &Source::id);
    if (source == ingestion_.sources.end()) source = ingestion_.sources.begin();
    auto make_feed = [&](Context&) { return open_feed(parts_, sink_, ingestion_, *source, of_source); };
    TRY_ASSIGN(const Discovered found, discover(make_feed, parts_.work, parts_.clock, ingestion_, id, report_.run.id, context));
    for (const std::string& text : found.warnings) warn(text);
  }
  return {};
}

}  // namespace sluice
