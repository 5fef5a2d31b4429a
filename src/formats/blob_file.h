// A Blob as the random-access file that Arrow's readers want, and what they may allocate. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"

namespace sluice {

/// A part of a file up to this size is read at once; object stores like few and large requests.
inline constexpr int64_t kHeldBytesMax = 64 * kMiB;

class BlobFile final : public arrow::io::RandomAccessFile {
 public:
  /// The blob must outlive the file.
  explicit BlobFile(Blob& blob) : blob_(blob) {}

  /// Of the operations that follow.
  void use(const Context& context) { context_ = context; }

  /// Reads a range up to kHeldBytesMax at once and answers reads within it from memory, until the next one. A larger one: does nothing.
  Result<void> hold(int64_t begin, int64_t end);

  /// An error of Arrow's as ours: where a read failed, what the store said; else the file is broken (ParseError), or wants more memory
  /// than the limit (TooLarge).
  Error explain(const arrow::Status& status, std::string_view what) const;

  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> GetSize() override { return blob_.size_bytes(); }
  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override;
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override;

 private:
  Result<int64_t> read_now(int64_t position, int64_t nbytes, char* out);

  Blob& blob_;
  Context context_;
  int64_t position_ = 0;
  bool closed_ = false;
  int64_t held_begin_ = 0;
  std::string held_;
  std::optional<Error> failure_;
};

/// Arrow's default pool, except that a single allocation has a limit: sizes in broken files must not take the machine's memory.
arrow::MemoryPool* reader_memory_pool();

}  // namespace sluice
