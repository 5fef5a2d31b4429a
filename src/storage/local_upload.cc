#include "storage/local_upload.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/ids.h"
#include "storage/posix_file.h"

namespace sluice {
namespace {

constexpr size_t kWriteBufferBytes = 256 * kKiB;
constexpr mode_t kFileMode = 0666;
constexpr mode_t kPermissions = 0777;
constexpr mode_t kAllModes = 07777;
constexpr int kOpenAttemptsMax = 3;  // a clean-up may remove the empty folder between making and using it

std::string folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

/// A missing folder while writing is no missing object, and a broken disk is no bad input.
Error write_error(int error_number, std::string_view path) {
  Error error = io_error(error_number, "writing", path);
  if (error.code == ErrorCode::kNotFound || error_number == EIO) error.code = ErrorCode::kUnavailable;
  if (error_number == ENOTDIR) error.code = ErrorCode::kConflict;  // a file has the name of a folder above
  error.type.clear();
  return error;
}

class LocalUpload final : public Upload {
 public:
  LocalUpload(std::string path, const PutOptions& options, std::optional<struct stat> like)
      : path_(std::move(path)), if_none_match_(options.if_none_match), if_match_(options.if_match), like_(like) {}
  ~LocalUpload() override { drop(); }

  Result<void> open() {
    const std::string folder = folder_of(path_);
    for (int attempt = 1;; ++attempt) {
      if (if_none_match_) {
        // Without a name there is nothing to sweep after a kill. Not every file system has it, and it cannot replace a file.
        fd_ = Fd(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kFileMode));
        if (fd_.is_open()) return {};
      }
      temporary_ = fmt::format("{}{}.{}{}", folder, folder == "/" ? "" : "/", new_uuid(), kUnfinishedSuffix);
      fd_ = Fd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
      if (fd_.is_open()) return {};
      const int error_number = errno;
      temporary_.clear();
      if (error_number != ENOENT || attempt == kOpenAttemptsMax) return std::unexpected(write_error(error_number, path_));
      TRY(make_folders(folder));
    }
  }

  Result<void> write(std::span<const char> bytes, Context& context) override {
    TRY(check_usable());
    TRY(context.check());
    if (buffer_.size() + bytes.size() <= kWriteBufferBytes) {
      buffer_.append(bytes.data(), bytes.size());
      return {};
    }
    TRY(flush());
    if (bytes.size() >= kWriteBufferBytes) return write_through(bytes);
    buffer_.append(bytes.data(), bytes.size());
    return {};
  }

  Result<ObjectInfo> complete(Context& context) override {
    TRY(check_usable());
    TRY(context.check());
    TRY(flush());
    if (like_) resemble(*like_);
    if (::fsync(fd_.get()) != 0) return std::unexpected(dropped(write_error(errno, path_)));
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) return std::unexpected(dropped(write_error(errno, path_)));
    TRY(publish());
    fd_ = Fd();
    if (Result<void> synced = sync_folder(folder_of(path_)); !synced) {
      Error error = std::move(synced).error();
      error.code = ErrorCode::kOutcomeUnknown;
      return std::unexpected(std::move(error));
    }
    return object_info(path_, status);
  }

  Result<void> abort(Context&) override {
    drop();
    return {};
  }

 private:
  Result<void> check_usable() const {
    if (fd_.is_open()) return {};
    return fail(ErrorCode::kConflict, fmt::format("writing {}: this upload is already over", path_));
  }

  Result<void> flush() {
    TRY(write_through(buffer_));
    buffer_.clear();
    return {};
  }

  Result<void> write_through(std::span<const char> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return std::unexpected(dropped(write_error(errno, path_)));
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return {};
  }

  /// Not every file system has all of it, and only root gives files away: the bytes matter more.
  void resemble(const struct stat& like) const {
    const timespec times[] = {like.st_atim, like.st_mtim};
    const bool has_owner = ::fchown(fd_.get(), like.st_uid, like.st_gid) == 0;
    const bool has_group = has_owner || ::fchown(fd_.get(), static_cast<uid_t>(-1), like.st_gid) == 0;
    mode_t mode = like.st_mode & (has_owner ? kAllModes : kPermissions);  // set-user-id only for the user that it was for
    if (!has_group) mode &= ~S_IRWXG | ((mode & S_IRWXO) << 3);           // another group gets what everybody has
    ::fchmod(fd_.get(), mode);
    ::futimens(fd_.get(), times);
  }

  Result<void> publish() {
    if (!if_match_.empty()) return replace();
    if (!if_none_match_) return rename_over();
    if (temporary_.empty()) {
      const std::string from = fmt::format("/proc/self/fd/{}", fd_.get());
      const int linked = ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW);
      if (linked != 0) return std::unexpected(dropped(write_error(errno, path_)));
      return {};
    }
    // File systems know the one or the other way to refuse an existing name.
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno != EINVAL && errno != ENOSYS) return std::unexpected(dropped(write_error(errno, path_)));
      if (::link(temporary_.c_str(), path_.c_str()) != 0) return std::unexpected(dropped(write_error(errno, path_)));
      ::unlink(temporary_.c_str());
    }
    temporary_.clear();
    return {};
  }

  Result<void> rename_over() {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return std::unexpected(dropped(write_error(errno, path_)));
    temporary_.clear();
    return {};
  }

  /// Whoever replaces a file of this folder holds its lock from looking to renaming. Who makes a new one needs none: a name that is taken
  /// refuses him.
  Result<void> replace() {
    const std::string folder = folder_of(path_);
    Fd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.is_open()) return std::unexpected(dropped(write_error(errno, path_)));
    while (::flock(lock.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return std::unexpected(dropped(write_error(errno, path_)));
    }
    struct stat status{};
    const bool there = ::stat(path_.c_str(), &status) == 0;
    if (there && version_of(status) == if_match_) return rename_over();
    return std::unexpected(dropped({ErrorCode::kConflict, fmt::format("writing {}: wanted version {}, found {}", path_, if_match_,
                                                                      there ? version_of(status) : "nothing")}));
  }

  Error dropped(Error error) {
    drop();
    return error;
  }

  void drop() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
    buffer_.clear();
    fd_ = Fd();
  }

  const std::string path_;
  const bool if_none_match_;
  const std::string if_match_;
  const std::optional<struct stat> like_;
  std::string temporary_;  // empty: nothing to unlink
  std::string buffer_;     // small writes, joined
  Fd fd_;
};

}  // namespace

Result<void> make_folders(const std::string& folder) {
  if (::mkdir(folder.c_str(), kFolderMode) == 0) return sync_folder(folder_of(folder));
  if (errno == EEXIST) {
    struct stat status{};
    const bool is_file = ::stat(folder.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
    return is_file ? Result<void>(std::unexpected(write_error(ENOTDIR, folder))) : Result<void>{};
  }
  if (errno == ENOTDIR) return std::unexpected(write_error(errno, folder));
  if (errno != ENOENT || folder == "/") return std::unexpected(io_error(errno, "making folder", folder));
  TRY(make_folders(folder_of(folder)));
  if (::mkdir(folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return std::unexpected(io_error(errno, "making folder", folder));
  }
  return sync_folder(folder_of(folder));
}

Result<void> sync_folder(const std::string& path) {
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return std::unexpected(io_error(errno, "syncing folder", path));
  return sync_folder(folder, path);
}

Result<void> sync_folder(const Fd& folder, const std::string& path) {
  // Some file systems (9p, some FUSE) cannot sync a folder and say so; there is nothing more to ask of them.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) return std::unexpected(io_error(errno, "syncing folder", path));
  return {};
}

Result<std::unique_ptr<Upload>> start_local_upload(std::string path, const PutOptions& options, std::optional<struct stat> like) {
  if (path.ends_with('/')) return invalid_input(fmt::format("writing {}: a file's name cannot end in a slash", path));
  auto upload = std::make_unique<LocalUpload>(std::move(path), options, like);
  TRY(upload->open());
  return upload;
}

}  // namespace sluice
