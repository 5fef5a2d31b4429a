// Bytes of one input, read forward; and one version of a file, opened at any range. Neither is thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// A forward stream of bytes.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills `into` from its front and returns how many bytes it wrote; fewer than asked only at the end, 0 at the end.
  /// Errors: kConflict: the file is no longer at the version that was opened (type "ChangedWhileRead");
  /// kUnavailable: try again later; kInvalidInput: the bytes themselves are broken (a truncated gzip stream).
  virtual Result<size_t> read(std::span<char> into, Context& context) = 0;
};

/// Part of a file. `length` -1: to its end.
struct ByteRange {
  int64_t offset = 0;
  int64_t length = -1;
};

/// One version of a file, of known size. Every source it opens reads that version or fails with kConflict.
class Blob {
 public:
  virtual ~Blob() = default;
  virtual int64_t size_bytes() const = 0;
  virtual Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) = 0;
};

/// Bytes in memory as a Blob (tests, archive members, sniffed heads). Copies what it is given.
std::unique_ptr<Blob> make_memory_blob(std::string bytes);

}  // namespace sluice
