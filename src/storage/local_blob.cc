#include "storage/local_blob.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "storage/byte_extent.h"
#include "storage/local_path.h"
#include "storage/posix_file.h"

namespace sluice {
namespace {

struct OpenFile {
  std::string path;
  std::string version;
  Fd fd;

  Result<void> check_version() const {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return std::unexpected(io_error(errno, "reading", path));
    if (!S_ISREG(status.st_mode)) {
      return std::unexpected(
          Error{ErrorCode::kInvalidInput, "reading " + path + ": not a regular file", std::string(error_type::kUnreadable)});
    }
    if (version_of(status) != version) return std::unexpected(changed_while_read(path, version, status));
    return {};
  }
};

class LocalSource final : public ByteSource {
 public:
  LocalSource(std::shared_ptr<const OpenFile> file, int64_t begin, int64_t end)
      : file_(std::move(file)), next_(begin), end_(end), checked_(begin == end) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size() && next_ < end_) {
      TRY(context.check());
      const auto wanted = std::min({static_cast<int64_t>(into.size() - filled), end_ - next_, kReadBlockBytes});
      const ssize_t count = ::pread(file_->fd.get(), into.data() + filled, static_cast<size_t>(wanted), next_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return std::unexpected(failure(errno));
      if (count == 0) return std::unexpected(shrunk());
      next_ += count;
      filled += static_cast<size_t>(count);
    }
    // Before the last bytes are handed out: nobody may take them for the version that was asked for.
    if (next_ == end_ && !checked_) {
      TRY(file_->check_version());
      checked_ = true;
    }
    return filled;
  }

 private:
  /// What cannot be read may have become something else: a folder, a pipe.
  Error failure(int error_number) const {
    if (auto same = file_->check_version(); !same) return same.error();
    return io_error(error_number, "reading", file_->path);
  }

  Error shrunk() const {
    struct stat status{};
    if (::fstat(file_->fd.get(), &status) != 0) return io_error(errno, "reading", file_->path);
    return changed_while_read(file_->path, file_->version, status);
  }

  const std::shared_ptr<const OpenFile> file_;  // shared: a source may outlive the blob that opened it
  int64_t next_;
  const int64_t end_;
  bool checked_;
};

class LocalBlob final : public Blob {
 public:
  LocalBlob(ObjectInfo object, FileOpener opener) : object_(std::move(object)), opener_(std::move(opener)) {}

  int64_t size_bytes() const override { return object_.size_bytes; }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY(context.check());
    TRY(open_file());
    const auto [begin, end] = extent_within(range, object_.size_bytes);
    return std::make_unique<LocalSource>(file_, begin, end);
  }

 private:
  Result<void> open_file() {
    if (file_) return {};
    TRY_ASSIGN(std::string path, local_path(object_.path));
    TRY_ASSIGN(Fd fd, opener_(path));
    auto file = std::make_shared<OpenFile>(std::move(path), object_.version, std::move(fd));
    // A file that one read takes whole is checked behind that read; this is so that a large one is not read for nothing.
    if (object_.size_bytes == 0 || object_.size_bytes > kReadBlockBytes) TRY(file->check_version());
    if (object_.size_bytes > kReadBlockBytes) ::posix_fadvise(file->fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    file_ = std::move(file);
    return {};
  }

  const ObjectInfo object_;
  const FileOpener opener_;
  std::shared_ptr<const OpenFile> file_;
};

}  // namespace

std::unique_ptr<Blob> make_local_blob(ObjectInfo object, FileOpener opener) {
  return std::make_unique<LocalBlob>(std::move(object), std::move(opener));
}

}  // namespace sluice
