// A file descriptor that closes itself, what errno means to a caller, and what a file's version is. Thread-safe: plain values.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <sys/stat.h>

#include "base/error.h"
#include "storage/object_store.h"

namespace sluice {

inline constexpr mode_t kFolderMode = 0777;  ///< of folders that are made, before the umask

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Opens a file for reading. O_NONBLOCK: a pipe put in the file's place must not hold us; regular files ignore it.
Result<Fd> open_file(const std::string& path);

/// Opens a file below `folder` for reading, and follows no link behind it, whoever puts one there meanwhile. `path` begins with `folder`,
/// which ends in "/".
Result<Fd> open_file_below(const std::string& folder, const std::string& path);

Result<Fd> open_folder(const std::string& path);

/// The same for a folder below `folder`, or that itself (then `path` may lack its "/"); `make`: missing ones are made.
Result<Fd> open_folder_below(const std::string& folder, const std::string& path, bool make);

/// "reading /data/a.json: permission denied", with the code and type that tell the caller what to do.
Error io_error(int error_number, std::string_view doing, std::string_view path);

/// `<size>-<mtime in ns>`. Two writes of the same length within one tick of the file system's clock look alike.
std::string version_of(const struct stat& status);

ObjectInfo object_info(std::string_view path, const struct stat& status);

/// The file behind `fd` is no longer at `version`.
Error changed_while_read(std::string_view path, std::string_view version, const struct stat& now);

}  // namespace sluice
