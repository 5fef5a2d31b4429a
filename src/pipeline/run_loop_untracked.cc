// Runs without tracking (rule N): the same steps, no file entries.
#include <utility>

#include "pipeline/publish.h"
#include "pipeline/read_rules.h"
#include "pipeline/run_loop.h"

namespace sluice {

Result<void> RunLoop::load_untracked(Context& context) {
  for (const Source& source : ingestion_.sources) {
    TRY_ASSIGN(const auto feed, open_feed(parts_, sink_, ingestion_, source, options_.files_from));
    TRY(load_untracked(source, *feed, context));
    TRY(read_again(source, context));
    if (options_.files_from) break;  // an explicit list belongs to the first source
  }
  return {};
}

Result<void> RunLoop::load_untracked(const Source& source, FileFeed& feed, Context& context) {
  std::vector<ClaimedFile> files;
  int64_t bytes = 0;
  RunMetrics counted;
  auto flush = [&]() -> Result<void> {
    bytes = 0;
    TRY(ingest_untracked(std::exchange(files, {}), context));
    return load_members_found(context);
  };
  for (bool last = false; !last;) {
    TRY_ASSIGN(const FeedPage page, feed.next(context));
    for (const Error& warning : page.warnings) warn(warning.message);
    last = page.last;
    report_.files_not_ready += page.waiting;
    if (page.waiting > 0) observer_.not_ready(page.waiting);
    for (const ListedFile& listed : page.files) {
      ++report_.files_found;
      if (ingestion_.start_from && listed.modified_at < *ingestion_.start_from) {
        ++counted.files_skipped;
        continue;
      }
      bytes += listed.size_bytes;
      ClaimedFile& file = files.emplace_back();
      file.source = source.id, file.path = listed.path, file.version = listed.version;
      file.size_bytes = listed.size_bytes, file.modified_at = listed.modified_at, file.attempts = 1;
      if (std::ssize(files) >= ingestion_.batch.files_max || bytes >= ingestion_.batch.bytes_max) TRY(flush());
    }
  }
  TRY(flush());
  return counted.files_skipped == 0 ? Result<void>{} : parts_.registry.add_to_run(report_.run.id, counted, {});
}

/// Nothing remembers a file that changed while it was read, or that could not be read just now: no later run would load it, and only it.
/// It has no result yet.
void RunLoop::note_released(BatchEnd& end) {
  std::erase_if(end.results, [this](const FileResult& result) {
    if (result.outcome != FileOutcome::kReleased || !result.error) return false;
    ++releases_[result.file.path];
    released_.push_back(result.file.path);
    return true;
  });
}

/// As often as a file may be put back; then it is FAILED.
Result<void> RunLoop::read_again(const Source& source, Context& context) {
  while (!released_.empty()) {
    const std::vector<std::string> paths = std::exchange(released_, {});
    report_.files_found -= std::ssize(paths);
    TRY_ASSIGN(const auto feed, open_feed(parts_, sink_, ingestion_, source, paths));
    TRY(load_untracked(source, *feed, context));
  }
  return {};
}

Result<void> RunLoop::ingest_untracked(std::vector<ClaimedFile> files, Context& context) {
  if (files.empty()) return {};
  TRY_ASSIGN(ClaimedBatch batch, settle_ledger_write(parts_.clock, context, [&] { return parts_.work.open_untracked(claim_request()); }));
  batch.tracked = false;
  batch.files = std::move(files);
  return ingest(batch, context);
}

/// What the archives of untracked batches hold, batch by batch; members that are archives bring further ones.
Result<void> RunLoop::load_members_found(Context& context) {
  while (!members_found_.empty()) {
    const std::vector<ClaimedFile> found = std::exchange(members_found_, {});
    std::vector<ClaimedFile> files;
    int64_t bytes = 0;
    for (const ClaimedFile& file : found) {
      files.push_back(file);
      bytes += file.size_bytes;
      if (std::ssize(files) < ingestion_.batch.files_max && bytes < ingestion_.batch.bytes_max) continue;
      bytes = 0;
      TRY(ingest_untracked(std::exchange(files, {}), context));
    }
    TRY(ingest_untracked(std::move(files), context));
  }
  return {};
}

}  // namespace sluice
