#include "pipeline/spool_file.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/ids.h"

namespace sluice {
namespace {

constexpr mode_t kPrivate = 0600;

std::string temporary_folder() {
  std::error_code error;
  auto folder = std::filesystem::temp_directory_path(error);
  return error ? "/tmp" : folder.string();
}

/// The disk of temporary files is not the input's fault.
std::unexpected<Error> spool_error(int error_number, std::string_view doing) {
  Error error = io_error(error_number, doing, "a temporary file in " + temporary_folder());
  error.code = ErrorCode::kUnavailable;
  error.type.clear();
  error.message += "; TMPDIR names another folder";
  return std::unexpected(std::move(error));
}

}  // namespace

class SpoolSink final : public ByteSink {
 public:
  explicit SpoolSink(SpoolFile& file) : file_(file) {}
  Result<void> write(std::span<const char> bytes, Context& context) override {
    TRY(context.check());
    return file_.write(bytes);
  }
  Result<void> finish(Context&) override { return {}; }

 private:
  SpoolFile& file_;
};

Result<std::unique_ptr<SpoolFile>> SpoolFile::open() {
  const std::string folder = temporary_folder();
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kPrivate));
  if (!fd.is_open()) {  // not every file system has nameless files
    const std::string name = folder + "/sluice-" + new_uuid();
    fd = Fd(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kPrivate));
    if (!fd.is_open()) return spool_error(errno, "making");
    ::unlink(name.c_str());
  }
  return std::unique_ptr<SpoolFile>(new SpoolFile(std::move(fd)));
}

std::unique_ptr<ByteSink> SpoolFile::sink() { return std::make_unique<SpoolSink>(*this); }

Result<void> SpoolFile::write(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return spool_error(errno, "writing");
    bytes = bytes.subspan(static_cast<size_t>(count));
    size_bytes_ += count;
  }
  return {};
}

Result<void> SpoolFile::read(int64_t offset, std::span<char> into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(fd_.get(), into.data(), into.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return spool_error(count < 0 ? errno : EIO, "reading");
    into = into.subspan(static_cast<size_t>(count));
    offset += count;
  }
  return {};
}

}  // namespace sluice
