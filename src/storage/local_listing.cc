#include "storage/local_listing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

namespace sluice {
namespace {

constexpr size_t kFolderNamesBytesMax = std::numeric_limits<uint32_t>::max();

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

uint64_t big_endian_prefix(std::string_view text) {
  unsigned char bytes[8] = {};
  std::memcpy(bytes, text.data(), std::min(text.size(), sizeof(bytes)));
  uint64_t rank = 0;
  for (const unsigned char byte : bytes) rank = rank << 8 | byte;
  return rank;
}

size_t shared_length(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(std::min(a.size(), b.size())), b.begin()).first -
                             a.begin());
}

bool is_gone(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

}  // namespace

Result<std::unique_ptr<LocalListing>> LocalListing::open(std::string_view prefix, std::string_view start_after, bool delimiter) {
  const size_t folder_length = prefix.rfind('/') + 1;
  std::unique_ptr<LocalListing> listing(new LocalListing(start_after, delimiter));
  TRY(listing->enter(std::string(prefix.substr(0, folder_length)), prefix.substr(folder_length), true));
  return listing;
}

Result<bool> LocalListing::fill(ListPage& page, int64_t limit, Context& context) {
  TRY(context.check());
  const size_t entries_max = static_cast<size_t>(limit);
  for (;;) {
    leave_finished_folders();
    if (folders_.empty() || page.objects.size() + page.prefixes.size() >= entries_max) break;
    Folder& folder = folders_.back();
    const Entry& entry = folder.entries[folder.next++];
    path_.resize(folder.path_length);
    path_.append(folder.name(entry));
    if (already_listed(path_, entry.is_folder)) continue;
    if (!entry.is_folder) {
      TRY(add_file(page));
    } else if (delimiter_) {
      last_ = path_;
      page.prefixes.push_back(Key("file://").append(path_));
    } else {
      TRY(enter(path_, {}, false));
    }
  }
  for (Error& warning : warnings_) page.warnings.push_back(std::move(warning));
  warnings_.clear();
  return !folders_.empty();
}

Result<void> LocalListing::enter(std::string path, std::string_view name_prefix, bool first) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) {
    if (is_gone(errno)) return {};
    Error error = io_error(errno, "listing folder", path);
    if (first || error.code == ErrorCode::kUnavailable) return std::unexpected(std::move(error));
    warn(std::move(error));
    return {};
  }
  fd_ = std::move(fd);
  path_ = std::move(path);
  Folder folder;
  folder.path_length = path_.size();
  TRY(read_names(folder, name_prefix));
  sort(folder);
  folders_.push_back(std::move(folder));
  return {};
}

Result<void> LocalListing::read_names(Folder& folder, std::string_view name_prefix) {
  // A second descriptor: closedir() takes its own away, and fd_ must stay for fstatat().
  const int fd = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
  std::unique_ptr<DIR, CloseDir> dir(fd < 0 ? nullptr : ::fdopendir(fd));
  if (dir == nullptr) {
    Error error = io_error(errno, "listing folder", path_);
    if (fd >= 0) Fd close_it(fd);
    if (error.code == ErrorCode::kNotFound) return {};
    return std::unexpected(std::move(error));
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0 && !is_gone(errno)) return std::unexpected(io_error(errno, "listing folder", path_));
      return {};
    }
    const std::string_view name(entry->d_name);
    if (name == "." || name == ".." || !name.starts_with(name_prefix)) continue;
    bool is_folder = entry->d_type == DT_DIR;
    bool keep = true;
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) classify_link(entry->d_name, is_folder, keep);
    if (!keep) continue;
    if (folder.names.size() + name.size() + 1 > kFolderNamesBytesMax) {
      return invalid_input(
          fmt::format("listing folder {}: its names need more than {} bytes; split the folder", path_, kFolderNamesBytesMax));
    }
    const auto offset = static_cast<uint32_t>(folder.names.size());
    folder.names.append(name);
    // Byte order is that of full paths: "a.json" comes before what lies in "a/", so a folder sorts by its name with the slash.
    if (is_folder) folder.names += '/';
    folder.entries.push_back({0, offset, static_cast<uint16_t>(name.size() + is_folder), is_folder});
  }
}

void LocalListing::classify_link(const char* name, bool& is_folder, bool& keep) {
  struct stat status{};
  if (::fstatat(fd_.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    keep = false;
    if (!is_gone(errno)) warn(io_error(errno, "looking at", path_ + name));
    return;
  }
  is_folder = S_ISDIR(status.st_mode);
  if (!S_ISLNK(status.st_mode)) return;
  if (::fstatat(fd_.get(), name, &status, 0) != 0) {
    keep = false;
    warn(io_error(errno, "following link", path_ + name));
  } else if (S_ISDIR(status.st_mode)) {
    keep = false;
    warn({ErrorCode::kInvalidInput, fmt::format("{}{} is a link to a folder, which is not followed: name the folder itself", path_, name)});
  }
}

void LocalListing::sort(Folder& folder) const {
  if (folder.entries.empty()) return;
  const std::string_view first = folder.name(folder.entries.front());
  size_t shared = first.size();
  for (const Entry& entry : folder.entries) shared = std::min(shared, shared_length(first.substr(0, shared), folder.name(entry)));
  for (Entry& entry : folder.entries) entry.rank = big_endian_prefix(folder.name(entry).substr(shared));
  std::sort(folder.entries.begin(), folder.entries.end(),
            [&folder](const Entry& a, const Entry& b) { return a.rank != b.rank ? a.rank < b.rank : folder.name(a) < folder.name(b); });
  folder.entries.shrink_to_fit();
  folder.names.shrink_to_fit();
}

bool LocalListing::already_listed(std::string_view path, bool is_folder) const {
  if (path > std::string_view(start_after_)) return false;
  if (!is_folder || !start_after_.starts_with(path)) return true;
  // What follows start_after may lie in this folder. Grouped, the folder itself was the last entry where it is start_after.
  return delimiter_ && start_after_.size() == path.size();
}

Result<void> LocalListing::add_file(ListPage& page) {
  TRY(need_descriptor());
  if (!fd_.is_open()) return {};
  struct stat status{};
  // path_ ends with the name, and with a zero.
  if (::fstatat(fd_.get(), path_.c_str() + folders_.back().path_length, &status, 0) != 0) {
    if (!is_gone(errno)) warn(io_error(errno, "looking at", path_));
    return {};
  }
  if (S_ISDIR(status.st_mode)) return {};
  if (!S_ISREG(status.st_mode)) {
    warn({ErrorCode::kInvalidInput, fmt::format("{} is not a regular file and was left out", path_), std::string(error_type::kUnreadable)});
    return {};
  }
  last_ = path_;
  page.objects.push_back(object_info(path_, status));
  return {};
}

Result<void> LocalListing::need_descriptor() {
  if (fd_.is_open()) return {};
  const std::string folder = path_.substr(0, folders_.back().path_length);
  fd_ = Fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd_.is_open()) return {};
  Error error = io_error(errno, "listing folder", folder);
  if (error.code == ErrorCode::kUnavailable) return std::unexpected(std::move(error));
  if (error.code != ErrorCode::kNotFound) warn(std::move(error));
  folders_.back().next = folders_.back().entries.size();
  return {};
}

void LocalListing::leave_finished_folders() {
  while (!folders_.empty() && folders_.back().next == folders_.back().entries.size()) {
    folders_.pop_back();
    fd_ = Fd();
  }
}

}  // namespace sluice
