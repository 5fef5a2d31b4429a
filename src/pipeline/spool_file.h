// A temporary file without a name: what one Parquet object weighs, until it is known to be wanted. Gone with the process, however it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/byte_sink.h"
#include "base/error.h"
#include "storage/posix_file.h"

namespace sluice {

/// In the folder TMPDIR, or /tmp. Not thread-safe.
class SpoolFile {
 public:
  static Result<std::unique_ptr<SpoolFile>> open();

  /// Bytes that are appended; finishing it does nothing. The file must outlive it.
  std::unique_ptr<ByteSink> sink();
  int64_t size_bytes() const { return size_bytes_; }
  /// Fills `into`, which lies within the file.
  Result<void> read(int64_t offset, std::span<char> into) const;

 private:
  friend class SpoolSink;
  explicit SpoolFile(Fd fd) : fd_(std::move(fd)) {}
  Result<void> write(std::span<const char> bytes);

  Fd fd_;
  int64_t size_bytes_ = 0;
};

}  // namespace sluice
