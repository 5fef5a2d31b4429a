#include "pipeline/members.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/file.h"
#include "pipeline/publish.h"
#include "storage/glob.h"

namespace sluice {
namespace {

/// Which members are wanted by their names.
class MemberFilter {
 public:
  static Result<MemberFilter> make(const Ingestion& ingestion) {
    MemberFilter filter;
    TRY(parse(ingestion.archives.members, filter.wanted_names_, filter.wanted_paths_));
    TRY(parse(ingestion.ready.ignore, filter.ignored_names_, filter.ignored_paths_));
    return filter;
  }

  bool wants(std::string_view name) const {
    if (name.starts_with("__MACOSX/") || any(ignored_paths_, name)) return false;
    for (std::string_view rest = name; !rest.empty();) {
      const size_t end = std::min(rest.find('/'), rest.size());
      const std::string_view part = rest.substr(0, end);
      // ".." is no hidden name: that it leads out is to be said.
      if (part != ".." && (part.starts_with("._") || any(ignored_names_, part))) return false;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (wanted_names_.empty() && wanted_paths_.empty()) return true;
    return any(wanted_paths_, name) || any(wanted_names_, name.substr(name.rfind('/') + 1));
  }

 private:
  static Result<void> parse(const std::vector<std::string>& texts, std::vector<Glob>& names, std::vector<Glob>& paths) {
    for (const std::string& text : texts) {
      TRY_ASSIGN(Glob glob, Glob::parse(text));
      (text.contains('/') ? paths : names).push_back(std::move(glob));
    }
    return {};
  }
  static bool any(const std::vector<Glob>& globs, std::string_view text) {
    return std::ranges::any_of(globs, [&](const Glob& glob) { return glob.matches(text); });
  }

  std::vector<Glob> wanted_names_, wanted_paths_, ignored_names_, ignored_paths_;
};

Error typed(ErrorCode code, std::string message, std::string_view type) { return {code, std::move(message), std::string(type)}; }

/// A path that the ledger cannot keep is recorded under one that it can.
void bound_path(Seen& seen, std::string_view archive) {
  if (seen.file.path.size() <= kFilePathBytesMax) return;
  const std::string& path = seen.file.path;
  seen.skip_reason = error_type::kBadName;
  seen.skip_message = fmt::format("its path has {} bytes, above {}; pack it again under a shorter name", path.size(), kFilePathBytesMax);
  seen.file.path = member_path(archive, fmt::format("name-of-{}-bytes#{:016x}", path.size(), XXH3_64bits(path.data(), path.size())));
}

/// A container that lies in a store.
class StoredContainer final : public OpenContainer {
 public:
  StoredContainer(std::unique_ptr<Blob> blob, std::unique_ptr<const Container> container)
      : blob_(std::move(blob)), container_(std::move(container)) {}
  const Container& container() const override { return *container_; }
  Blob& blob() override { return *blob_; }

 private:
  const std::unique_ptr<Blob> blob_;
  const std::unique_ptr<const Container> container_;
};

/// A container that is a member of another, which is kept open while this one is read.
class MemberContainer final : public OpenContainer {
 public:
  MemberContainer(std::unique_ptr<OpenContainer> outer, std::unique_ptr<MemberPass> pass, std::unique_ptr<Blob> blob,
                  std::unique_ptr<const Container> container)
      : outer_(std::move(outer)), pass_(std::move(pass)), blob_(std::move(blob)), container_(std::move(container)) {}
  const Container& container() const override { return *container_; }
  Blob& blob() override { return *blob_; }

 private:
  const std::unique_ptr<OpenContainer> outer_;
  const std::unique_ptr<MemberPass> pass_;
  const std::unique_ptr<Blob> blob_;
  const std::unique_ptr<const Container> container_;
};

Error is_gone(std::string message) { return typed(ErrorCode::kNotFound, std::move(message), error_type::kVanished); }

Error is_no_container() {
  return typed(ErrorCode::kConflict, "its archive is none any more; it is looked at again", error_type::kChangedWhileRead);
}

Result<std::unique_ptr<OpenContainer>> open_stored(ObjectStore& store, const Source& source, const ObjectInfo& object, Context& context) {
  auto blob = open_blob(store, object);
  TRY_ASSIGN(auto container, find_container(source, object.path, *blob, context));
  if (!container) return std::unexpected(is_no_container());
  return std::make_unique<StoredContainer>(std::move(blob), std::move(container));
}

Result<std::unique_ptr<OpenContainer>> open_in(std::unique_ptr<OpenContainer> outer, const Source& source, const std::string& path,
                                               std::string_view name, Context& context) {
  TRY_ASSIGN(auto pass, outer->container().open(outer->blob(), context));
  for (;;) {
    TRY_ASSIGN(const auto member, pass->next(context));
    if (!member) return std::unexpected(is_gone("the archive in the archive is gone"));
    if (member->name == name) break;
  }
  TRY_ASSIGN(MemberBytes bytes, pass->open({}, context));
  TRY_ASSIGN(auto container, find_container(source, path, *bytes.blob, context));
  if (!container) return std::unexpected(is_no_container());
  if (!bytes.random_access) container = read_in_order(std::move(container));
  if (container->needs_random_access() && !bytes.random_access) {
    TRY_ASSIGN(bytes.blob, hold_in_memory(*bytes.blob, context));
  }
  return std::make_unique<MemberContainer>(std::move(outer), std::move(pass), std::move(bytes.blob), std::move(container));
}

/// Of the container's members, by path.
Result<std::unordered_map<std::string, std::string>> known_versions(WorkLedger& ledger, const Ingestion& ingestion,
                                                                    const ClaimedFile& file) {
  std::unordered_map<std::string, std::string> known;
  TRY_ASSIGN(auto cursor, ledger.known_members(ingestion.id, file.source, file.path));
  for (;;) {
    TRY_ASSIGN(auto one, cursor->next());
    if (!one) return known;
    known.emplace(std::move(one->path), std::move(one->version));
  }
}

/// Members that the archive does not hold any more: those that were not loaded have nothing to wait for.
void add_gone(const std::unordered_map<std::string, std::string>& known, const ClaimedFile& file, std::vector<Seen>& seen) {
  std::unordered_set<std::string_view> listed;
  for (const Seen& one : seen) listed.insert(one.file.path);
  std::vector<Seen> gone;
  for (const auto& [path, version] : known) {
    const bool of_nested = path.find(kMemberMark, file.path.size() + kMemberMark.size()) != std::string::npos;
    if (version.empty() || of_nested || listed.contains(path)) continue;
    Seen& one = gone.emplace_back();
    one.file = {path, "", 0, file.modified_at};
    one.skip_reason = error_type::kVanished;
    one.skip_message = "its archive holds it no more, or it is not wanted any more";
  }
  std::ranges::move(gone, std::back_inserter(seen));
}

/// Containers that it does not hold any more, but whose members are known.
std::set<std::string> gone_containers(const std::unordered_map<std::string, std::string>& known, const ClaimedFile& file,
                                      const std::vector<Seen>& seen) {
  std::unordered_set<std::string_view> listed;
  for (const Seen& one : seen) listed.insert(one.file.path);
  std::set<std::string> gone;
  for (const auto& [path, version] : known) {
    const size_t mark = path.find(kMemberMark, file.path.size() + kMemberMark.size());
    if (mark == std::string::npos || listed.contains(path)) continue;
    std::string container = path.substr(0, mark);
    if (!listed.contains(container)) gone.insert(std::move(container));
  }
  return gone;
}

/// The members' names within their container.
std::map<std::string_view, const ClaimedFile*> by_name(std::span<const ClaimedFile* const> files) {
  std::map<std::string_view, const ClaimedFile*> names;
  for (const ClaimedFile* file : files) names.emplace(std::string_view(file->path).substr(file->archive.size() + kMemberMark.size()), file);
  return names;
}

}  // namespace

Result<FoundMembers> list_members(const Container& container, Blob& blob, const ClaimedFile& file, const Ingestion& ingestion,
                                  Context& context) {
  TRY_ASSIGN(const MemberFilter filter, MemberFilter::make(ingestion));
  TRY_ASSIGN(auto pass, container.open(blob, context));
  FoundMembers found{.format = std::string(container.format())};
  for (;;) {
    TRY(context.check());
    TRY_ASSIGN(auto member, pass->next(context));
    if (!member) return found;
    if (container.is_archive() && !filter.wants(member->name)) {
      ++found.ignored;
      continue;
    }
    Seen& seen = found.seen.emplace_back();
    const Timestamp modified_at = member->modified_at == Timestamp{} ? file.modified_at : member->modified_at;
    seen.file = {member_path(file.path, member->name), "", member->size_bytes, modified_at};
    seen.skip_reason = std::move(member->problem_type);
    seen.skip_message = std::move(member->problem);
    bound_path(seen, file.path);
    if (!seen.skip_reason.empty()) {
      seen.file.version = fmt::format("{}-{}", member->size_bytes, seen.skip_reason);
      continue;
    }
    auto version = pass->version(context);
    // What is encrypted has no bytes to tell it by: reading it for its rows will say so.
    if (!version && version.error().type == error_type::kEncrypted) version = fmt::format("{}-encrypted", member->size_bytes);
    TRY_ASSIGN(seen.file.version, std::move(version));
  }
}

Result<Expansion> record_members(WorkLedger& ledger, Clock& clock, const Ingestion& ingestion, const RunId& run, const ClaimedFile& file,
                                 FoundMembers found, Context& context) {
  TRY_ASSIGN(const auto known, known_versions(ledger, ingestion, file));
  Expansion expansion{.members = std::ssize(found.seen)};
  for (const std::string& container : gone_containers(known, file, found.seen)) {
    ClaimedFile inner = file;
    inner.path = container;
    TRY_ASSIGN(const Expansion ended, record_members(ledger, clock, ingestion, run, inner, {}, context));
    expansion.skipped += ended.skipped;
    expansion.busy |= ended.busy;
  }
  add_gone(known, file, found.seen);
  std::erase_if(found.seen, [&](Seen& seen) {
    const auto before = known.find(seen.file.path);
    if (before == known.end()) return false;
    seen.known_version = before->second;
    return before->second == seen.file.version;
  });
  const DiscoverRequest request{ingestion.id, file.source, run, ingestion.on_change, file.path, ingestion.parquet.has_value(),
                                found.format};
  for (std::span<const Seen> rest = found.seen; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kDiscoveredFilesMax));
    rest = rest.subspan(chunk.size());
    TRY_ASSIGN(const DiscoverResult result, settle_ledger_write(clock, context, [&] { return ledger.record_discovered(request, chunk); }));
    expansion.to_load += result.added + result.changed;
    expansion.skipped += result.skipped;
    expansion.busy |= result.lost_race > 0;
  }
  return expansion;
}

std::vector<ClaimedFile> members_to_load(const ClaimedFile& file, const FoundMembers& found) {
  std::vector<ClaimedFile> files;
  for (const Seen& seen : found.seen) {
    if (!seen.skip_reason.empty()) continue;
    ClaimedFile& member = files.emplace_back();
    member.source = file.source, member.path = seen.file.path, member.version = seen.file.version;
    member.size_bytes = seen.file.size_bytes, member.modified_at = seen.file.modified_at;
    member.attempts = 1, member.archive = file.path;
  }
  return files;
}

Result<std::vector<ClaimedFile>> new_members(WorkLedger& ledger, const Ingestion& ingestion, const ClaimedFile& file,
                                             const FoundMembers& found) {
  TRY_ASSIGN(const auto known, known_versions(ledger, ingestion, file));
  std::vector<ClaimedFile> files = members_to_load(file, found);
  std::erase_if(files, [&](const ClaimedFile& member) {
    const auto before = known.find(member.path);
    return before != known.end() && before->second == member.version;
  });
  return files;
}

std::optional<Error> refuses_nesting(const Ingestion& ingestion, const ClaimedFile& file) {
  if (file.archive.empty()) return std::nullopt;
  const bool too_deep = file.archive.contains(kMemberMark);
  if (ingestion.archives.nested && !too_deep) return std::nullopt;
  return typed(ErrorCode::kInvalidInput,
               too_deep ? "an archive in an archive in an archive, which is not opened"
                        : "an archive in an archive, which is not opened unless archives: {nested: true} (--nested-archives) says so; then "
                          "forget it, and it is looked at again",
               error_type::kNestedArchive);
}

Error members_busy() {
  return typed(ErrorCode::kConflict, "some of its members are just being loaded at an older version; it is opened again after that",
               error_type::kMembersBusy);
}

Result<std::unique_ptr<OpenContainer>> open_container(StoreProvider& stores, const Source& source, const std::string& path,
                                                      Context& context) {
  TRY_ASSIGN(ObjectStore * store, stores.store_for(path, source.store));
  const auto object = store->stat(path, context);
  if (object) return open_stored(*store, source, *object, context);
  if (object.error().code != ErrorCode::kNotFound) return std::unexpected(object.error());
  const size_t mark = path.rfind(kMemberMark);
  if (mark == std::string::npos) return std::unexpected(is_gone("its archive is gone"));
  TRY_ASSIGN(auto outer, open_container(stores, source, path.substr(0, mark), context));
  return open_in(std::move(outer), source, path, std::string_view(path).substr(mark + kMemberMark.size()), context);
}

Result<void> visit_members(OpenContainer& opened, std::span<const ClaimedFile* const> wanted, const VisitMember& visit, Context& context) {
  auto left = by_name(wanted);
  const auto fail_the_rest = [&](const Error& error) -> Result<void> {
    for (const auto& [name, file] : left) TRY(visit(*file, std::unexpected(error)));
    return {};
  };
  auto pass = opened.container().open(opened.blob(), context);
  if (!pass) return fail_the_rest(pass.error());
  while (!left.empty()) {
    TRY(context.check());
    const auto member = (*pass)->next(context);
    if (!member) return fail_the_rest(member.error());
    if (!*member) return fail_the_rest(is_gone("its archive no longer holds it"));
    const auto found = left.find((*member)->name);
    if (found == left.end()) continue;
    const ClaimedFile& file = *found->second;
    left.erase(found);
    if (!(*member)->problem_type.empty()) {
      TRY(visit(file, std::unexpected(typed(ErrorCode::kInvalidInput, (*member)->problem, (*member)->problem_type))));
    } else {
      TRY(visit(file, (*pass)->open(file.version, context)));
    }
  }
  return {};
}

}  // namespace sluice
