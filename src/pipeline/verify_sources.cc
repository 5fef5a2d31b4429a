// The sources against the inventory: what the next run would find to do.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "pipeline/discovery.h"
#include "pipeline/run_loop.h"
#include "pipeline/verify.h"

namespace sluice {
namespace {

bool removes(const Disposition& disposition) {
  return disposition.kind == Disposition::Kind::kDelete || disposition.kind == Disposition::Kind::kMove;
}

/// What a run makes of another version of a file that is done.
std::string_view what_becomes_of(OnChange on_change) {
  switch (on_change) {
    case OnChange::kAppend: return "the next run converts it again";
    case OnChange::kIgnore: return "it stays as it was converted (on_change: ignore)";
    case OnChange::kFail: return "it stays as it was converted, and a run says that it changed (on_change: fail)";
  }
  return "";
}

class SourceComparison {
 public:
  SourceComparison(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion)
      : parts_(parts), sink_(sink), ingestion_(ingestion) {}

  Result<std::vector<SourceChange>> run(Context& context) {
    for (const Source& source : ingestion_.sources) {
      auto compared = compare_with(source, context);
      if (!compared) return std::unexpected(compared.error().within(fmt::format("listing source {}", source.id.text)));
    }
    TRY(add_left_as_they_were(context));
    std::vector<SourceChange> changes;
    for (auto& [path, change] : changes_) changes.push_back(std::move(change));
    return changes;
  }

 private:
  Result<void> compare_with(const Source& source, Context& context) {
    TRY_ASSIGN(ObjectStore * store, parts_.stores.store_for(source.paths.front(), source.store));
    const auto make_feed = [&](Context&) { return open_feed(parts_, sink_, ingestion_, source, {}); };
    const auto take = [&](const std::vector<Seen>& listed) -> Result<void> {
      for (const Seen& seen : listed) TRY(add_listed(seen, source));
      return context.check();
    };
    const auto take_unseen = [&](const KnownFile& known) { return add_unseen(known, source, *store, context); };
    TRY(compare(make_feed, parts_.work, ingestion_, source.id, take, context, take_unseen));
    return {};
  }

  /// The source's own record before another one's.
  Result<std::optional<FileRecord>> record_of(const std::string& path, const SourceId& source) {
    TRY_ASSIGN(FilePage page, parts_.history.files({.ingestion = ingestion_.id, .path = path}));
    if (page.files.empty()) return std::nullopt;
    const auto own = std::ranges::find(page.files, source, &FileRecord::source);
    return std::move(own == page.files.end() ? page.files.front() : *own);
  }

  /// New to its source, or at another version.
  Result<void> add_listed(const Seen& seen, const Source& source) {
    TRY_ASSIGN(const auto record, record_of(seen.file.path, source.id));
    if (!record) {
      add("new", seen.file.path,
          seen.skip_message.empty() ? "not in the inventory; the next run finds it"
                                    : fmt::format("not in the inventory; the next run skips it: {}", seen.skip_message));
    } else if (record->version != seen.file.version && seen.skip_message.empty()) {  // another source may have it, as it is
      add_changed(*record, seen.file.version);
    }
    return {};
  }

  void add_changed(const FileRecord& record, std::string_view version) {
    std::string reason = fmt::format("changed since it was found; the next run reads it as it is now (version {})", version);
    if (record.version.empty()) {  // it had vanished, or a member of it is to be looked for
      reason = "there again, or to be opened again; the next run reads it";
    } else if (record.state == FileState::kSuccess && !record.loaded_version.empty()) {
      reason = fmt::format("changed since it was done: converted was version {}, now it is at {}; {}", record.loaded_version, version,
                           what_becomes_of(ingestion_.on_change));
    }
    add("changed", record.path, std::move(reason));
  }

  /// Perhaps it is gone; perhaps it lies where the listing does not look (it was named in a list of files), or is a member.
  Result<void> add_unseen(const KnownFile& known, const Source& source, ObjectStore& store, Context& context) {
    TRY_ASSIGN(const bool is_member, lies_in_archive(known.path));
    if (is_member) return {};
    TRY_ASSIGN(const auto record, record_of(known.path, source.id));
    if (!record || record->source != source.id || !record->archive.empty() || is_to_be_gone(*record)) return {};
    TRY(context.check());
    const auto there = store.stat(known.path, context);
    if (!there && there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    if (!there) {
      add("gone", known.path,
          record->state == FileState::kSuccess ? "its file is there no more; what was made of it stays" : "its file is there no more");
    } else if (there->version != record->version) {
      add_changed(*record, there->version);
    }
    return {};
  }

  bool is_to_be_gone(const FileRecord& record) const {
    return record.state == FileState::kSkipped || (record.state == FileState::kSuccess && removes(ingestion_.disposition.done)) ||
           (record.state == FileState::kFailed && removes(ingestion_.disposition.failed));
  }

  /// Members lie beside one another: their archive is asked for once.
  Result<bool> lies_in_archive(const std::string& path) {
    const size_t mark = path.find(kMemberMark);
    if (mark == std::string::npos) return false;
    std::string archive = path.substr(0, mark);
    if (archive != last_archive_) {
      TRY_ASSIGN(const auto record, record_of(archive, SourceId()));
      last_archive_ = std::move(archive);
      last_archive_known_ = record.has_value();
    }
    return last_archive_known_;
  }

  /// on_change ignore and fail: the version that is listed is known, and is not the one that was converted.
  Result<void> add_left_as_they_were(Context& context) {
    return parts_.history.visit_files(ingestion_.id, [&](const FileRecord& record) -> Result<void> {
      const bool is_left = record.state == FileState::kSuccess && !record.loaded_version.empty() && !record.version.empty() &&
                           record.version != record.loaded_version;
      if (is_left) add_changed(record, record.version);
      return context.check();
    });
  }

  /// The first that was found of a path: a listing may be read twice.
  void add(const char* kind, const std::string& path, std::string reason) {
    changes_.emplace(path, SourceChange{kind, path, std::move(reason)});
  }

  const EngineParts& parts_;
  const Sink& sink_;
  const Ingestion& ingestion_;
  std::map<std::string, SourceChange> changes_;
  std::string last_archive_;
  bool last_archive_known_ = false;
};

}  // namespace

Result<std::vector<SourceChange>> find_source_changes(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion,
                                                      Context& context) {
  return SourceComparison(parts, sink, ingestion).run(context);
}

}  // namespace sluice
