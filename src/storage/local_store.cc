#include "storage/local_store.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "storage/local_blob.h"
#include "storage/local_move.h"
#include "storage/local_path.h"
#include "storage/local_upload.h"
#include "storage/posix_file.h"

namespace sluice {
namespace {

constexpr int64_t kPageEntriesMax = 10'000;
constexpr size_t kPausedListingsMax = 16;  // each holds the names of the folders on its way down
constexpr char kTokenSeparator = ':';

Result<struct stat> file_status(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::unexpected(io_error(errno, "looking at", path));
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(Error{ErrorCode::kInvalidInput,
                                 fmt::format("{} is {}", path, S_ISDIR(status.st_mode) ? "a folder, not a file" : "not a regular file"),
                                 std::string(error_type::kUnreadable)});
  }
  return status;
}

Result<std::string> read_range(const ReadRequest& request) {
  TRY_ASSIGN(const std::string path, local_path(request.key));
  TRY_ASSIGN(const struct stat status, file_status(path));
  ObjectInfo object = object_info(path, status);
  if (!request.version.empty() && object.version != request.version) {
    return std::unexpected(changed_while_read(path, request.version, status));
  }
  const int64_t begin = std::clamp<int64_t>(request.range.offset, 0, object.size_bytes);
  const int64_t rest = object.size_bytes - begin;
  std::string bytes(static_cast<size_t>(request.range.length < 0 ? rest : std::min(request.range.length, rest)), '\0');
  Context context;
  TRY_ASSIGN(auto source, make_local_blob(std::move(object))->open({begin, static_cast<int64_t>(bytes.size())}, context));
  TRY(source->read(bytes, context));
  return bytes;
}

Result<void> remove_file(const std::string& path, const std::string& version) {
  if (!version.empty()) {
    const auto name = open_name(path, /*make=*/false);
    if (!name && name.error().code == ErrorCode::kNotFound) return {};
    TRY(name);
    return remove_local_file(*name, version);
  }
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return std::unexpected(io_error(errno, "removing", path));
}

/// Depth first; rmdir() refuses where something is left, which is what we want.
void remove_empty_below(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* dir = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name(entry->d_name);
      if (name != "." && name != ".." && entry->d_type == DT_DIR) names.emplace_back(name);
    }
    ::closedir(dir);
  }
  for (const std::string& name : names) remove_empty_below(folder + "/" + name);
  ::rmdir(folder.c_str());
}

}  // namespace

Result<ListPage> LocalStore::list(const ListRequest& request, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(std::unique_ptr<LocalListing> listing, start_or_resume(request));
  ListPage page;
  TRY_ASSIGN(const bool more, listing->fill(page, std::clamp<int64_t>(request.limit, 1, kPageEntriesMax), context));
  if (!more) return page;

  const std::lock_guard lock(mutex_);
  page.next_token = fmt::format("{}{}{}", next_token_++, kTokenSeparator, listing->last());
  paused_.push_back({page.next_token, std::move(listing)});
  if (paused_.size() > kPausedListingsMax) paused_.pop_front();
  return page;
}

Result<std::unique_ptr<LocalListing>> LocalStore::start_or_resume(const ListRequest& request) {
  TRY_ASSIGN(const std::string prefix, local_path(request.prefix));
  if (!request.token.empty()) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(paused_.begin(), paused_.end(), [&](const Paused& paused) { return paused.token == request.token; });
    if (found != paused_.end()) {
      std::unique_ptr<LocalListing> listing = std::move(found->listing);
      paused_.erase(found);
      return listing;
    }
  }
  std::string after;
  if (!request.start_after.empty()) {
    TRY_ASSIGN(after, local_path(request.start_after));
  }
  if (!request.token.empty()) after = std::max(after, request.token.substr(request.token.find(kTokenSeparator) + 1));
  return LocalListing::open(prefix, after, request.delimiter);
}

Result<ObjectHead> LocalStore::head(const Key& key, Context&) {
  TRY_ASSIGN(const std::string path, local_path(key));
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) return fail(ErrorCode::kNotFound, path + " is a folder, not a file");
  TRY_ASSIGN(const struct stat status, file_status(path));
  return ObjectHead{object_info(path, status), {}};
}

Result<ObjectInfo> LocalStore::stat(const Key& key, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(const std::string path, local_path(key));
  TRY_ASSIGN(const struct stat status, file_status(path));
  return object_info(path, status);
}

void LocalStore::read(ReadRequest request, ReadDone done) { done(read_range(request)); }

Result<ObjectInfo> LocalStore::put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) {
  TRY_ASSIGN(const std::unique_ptr<Upload> upload, start_upload(key, options, context));
  TRY(upload->write(bytes, context));
  return upload->complete(context);
}

Result<std::unique_ptr<Upload>> LocalStore::start_upload(const Key& key, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(std::string path, local_path(key));
  return start_local_upload(std::move(path), options);
}

Result<ObjectInfo> LocalStore::copy(const Key& from, const Key& to, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(const std::string from_path, local_path(from));
  TRY_ASSIGN(std::string to_path, local_path(to));
  TRY_ASSIGN(const struct stat status, file_status(from_path));
  const ObjectInfo object = object_info(from_path, status);
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open(object)->open({}, context));
  TRY_ASSIGN(const std::unique_ptr<Upload> upload, start_local_upload(std::move(to_path), options, status));
  std::vector<char> block(static_cast<size_t>(std::min(kReadBlockBytes, object.size_bytes + 1)));
  for (;;) {
    TRY_ASSIGN(const size_t count, source->read(block, context));
    if (count == 0) break;
    TRY(upload->write({block.data(), count}, context));
  }
  return upload->complete(context);
}

Result<std::vector<DeleteOutcome>> LocalStore::remove(std::span<const VersionedKey> keys, Context& context) {
  std::vector<DeleteOutcome> outcomes;
  std::set<std::string> folders;
  for (const VersionedKey& key : keys) {
    TRY(context.check());
    Result<std::string> path = local_path(key.key);
    Result<void> removed = path ? remove_file(*path, key.version) : std::unexpected(path.error());
    if (removed) folders.insert(path->substr(0, path->rfind('/') + 1));
    outcomes.push_back({key.key, removed ? std::nullopt : std::optional(std::move(removed).error())});
  }
  for (const std::string& folder : folders) {
    Result<void> synced = sync_folder(folder);
    if (!synced && synced.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(synced).error());
  }
  return outcomes;
}

Result<MoveEnd> LocalStore::rename(const VersionedKey& from, const Key& to, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(const std::string source_path, local_path(from.key));
  TRY_ASSIGN(const std::string target_path, local_path(to));
  TRY_ASSIGN(const NameInFolder source, open_name(source_path, false));
  TRY_ASSIGN(const NameInFolder target, open_name(target_path, true));
  return rename_local_file(source, from.version, target);
}

std::unique_ptr<Blob> LocalStore::open(const ObjectInfo& object) { return make_local_blob(object); }

void LocalStore::remove_empty_folders(const Key& prefix) {
  const Result<std::string> path = local_path(prefix);
  if (!path || path->size() < 2) return;
  remove_empty_below(path->ends_with('/') ? path->substr(0, path->size() - 1) : *path);
}

}  // namespace sluice
