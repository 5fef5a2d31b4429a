#include "storage/posix_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;  // to be read: only then it can be synced

struct Meaning {
  ErrorCode code;
  std::string_view type;
};

Meaning meaning_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return {ErrorCode::kNotFound, error_type::kVanished};
    case EEXIST: return {ErrorCode::kConflict, {}};
    case ENOSPC:
    case EDQUOT:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ESTALE:
    case ETIMEDOUT:
    case EBUSY: return {ErrorCode::kUnavailable, error_type::kUnavailable};
    default: return {ErrorCode::kInvalidInput, error_type::kUnreadable};
  }
}

/// Why a step below a folder, that follows no link, could not be made.
Error refused_below(int error_number, std::string_view doing, std::string_view path) {
  if (error_number != ELOOP && error_number != ENOTDIR) return io_error(error_number, doing, path);
  return Error{ErrorCode::kInvalidInput, fmt::format("{} {}: a link was put in its way", doing, path),
               std::string(error_type::kUnreadable)};
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Fd> open_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return std::unexpected(io_error(errno, "reading", path));
  return fd;
}

Result<Fd> open_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), kFolder));
  if (!fd.is_open()) return std::unexpected(io_error(errno, "opening folder", path));
  return fd;
}

Result<Fd> open_folder_below(const std::string& folder, const std::string& path, bool make) {
  TRY_ASSIGN(Fd at, open_folder(folder));
  for (size_t begin = folder.size(), end = 0; begin < path.size(); begin = end + 1) {
    end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (name.empty()) continue;
    if (name == "..") return invalid_input(fmt::format("opening folder {}: it leaves {}", path, folder));
    Fd next(::openat(at.get(), name.c_str(), kFolder | O_NOFOLLOW));
    if (!next.is_open() && errno == ENOENT && make) {
      if (::mkdirat(at.get(), name.c_str(), kFolderMode) != 0 && errno != EEXIST) {
        return std::unexpected(io_error(errno, "making folder", path));
      }
      ::fsync(at.get());
      next = Fd(::openat(at.get(), name.c_str(), kFolder | O_NOFOLLOW));
    }
    if (!next.is_open()) return std::unexpected(refused_below(errno, "opening folder", path));
    at = std::move(next);
  }
  return at;
}

Result<Fd> open_file_below(const std::string& folder, const std::string& path) {
  constexpr int kOnTheWay = O_PATH | O_DIRECTORY | O_CLOEXEC, kFile = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  Fd at(::open(folder.c_str(), kOnTheWay));
  int error = errno;
  for (size_t begin = folder.size(); at.is_open() && begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (name == "..") return invalid_input(fmt::format("reading {}: it leaves {}", path, folder));
    const bool last = end == path.size();
    Fd next(::openat(at.get(), name.c_str(), (last ? kFile : kOnTheWay) | O_NOFOLLOW));
    if (!next.is_open()) error = errno;
    at = std::move(next);
    begin = end + 1;
  }
  if (at.is_open()) return at;
  return std::unexpected(refused_below(error, "reading", path));
}

Error io_error(int error_number, std::string_view doing, std::string_view path) {
  const Meaning meaning = meaning_of(error_number);
  return Error{meaning.code, fmt::format("{} {}: {}", doing, path, std::strerror(error_number)), std::string(meaning.type)};
}

std::string version_of(const struct stat& status) {
  // Once for each file of a listing: no parsing of format strings.
  std::string version = fmt::format_int(status.st_size).str();
  version += '-';
  const fmt::format_int mtime_ns(status.st_mtim.tv_sec * kNanosPerSecond + status.st_mtim.tv_nsec);
  return version.append(mtime_ns.data(), mtime_ns.size());
}

ObjectInfo object_info(std::string_view path, const struct stat& status) {
  return {.path = file_uri(path),
          .version = version_of(status),
          .size_bytes = status.st_size,
          .modified_at = {status.st_mtim.tv_sec * 1'000'000 + status.st_mtim.tv_nsec / 1'000}};
}

Error changed_while_read(std::string_view path, std::string_view version, const struct stat& now) {
  return Error{ErrorCode::kConflict,
               fmt::format("reading {}: it changed: wanted version {}, found {}; it is read again, by this run or the next", path, version,
                           version_of(now)),
               std::string(error_type::kChangedWhileRead)};
}

}  // namespace sluice
