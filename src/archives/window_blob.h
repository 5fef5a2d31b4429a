// A blob whose small neighbouring ranges are read from the store together, and bytes that come once as a blob. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/units.h"

namespace sluice {

/// Read at once around a small range.
inline constexpr int64_t kWindowBytes = kMiB;

/// Ranges up to half a window come from a window that begins with the first of them; larger ones go to the inner blob, which must outlive
/// it.
class WindowBlob final : public Blob {
 public:
  explicit WindowBlob(Blob& inner) : inner_(inner) {}
  int64_t size_bytes() const override { return inner_.size_bytes(); }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override;

 private:
  Blob& inner_;
  int64_t begin_ = 0;
  std::string window_;
};

/// Of bytes that come once, this many from their beginning can be read again.
inline constexpr int64_t kReopenBytesMax = 8 * kMiB;

/// `bytes` as a blob of `size_bytes`: ranges may begin within what is kept, or where reading has come to.
std::unique_ptr<Blob> make_once_blob(std::unique_ptr<ByteSource> bytes, int64_t size_bytes);

/// Bytes `from` to `to` of a blob, which must outlive it.
std::unique_ptr<Blob> make_slice_blob(Blob& whole, int64_t from, int64_t to);

/// Reads exactly `size` bytes at `offset`; kInvalidInput without a type where the blob ends before.
Result<std::string> read_exactly(Blob& blob, int64_t offset, int64_t size, Context& context);

}  // namespace sluice
