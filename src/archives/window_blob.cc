#include "archives/window_blob.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "model/file.h"

namespace sluice {
namespace {

/// What the sources of bytes that come once share.
struct OnceBytes {
  std::unique_ptr<ByteSource> bytes;
  std::string kept;      // the first kReopenBytesMax of what was read
  int64_t position = 0;  // of `bytes`

  Result<size_t> read_on(std::span<char> into, Context& context) {
    TRY_ASSIGN(const size_t count, bytes->read(into, context));
    const int64_t room = kReopenBytesMax - std::ssize(kept);
    if (std::ssize(kept) == position && room > 0) kept.append(into.data(), std::min(count, static_cast<size_t>(room)));
    position += static_cast<int64_t>(count);
    return count;
  }
};

class OnceSource final : public ByteSource {
 public:
  OnceSource(std::shared_ptr<OnceBytes> shared, int64_t begin, int64_t end) : shared_(std::move(shared)), next_(begin), end_(end) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size() && next_ < end_) {
      const size_t wanted = std::min(into.size() - filled, static_cast<size_t>(end_ - next_));
      size_t count = 0;
      if (next_ < std::ssize(shared_->kept)) {
        count = std::min(wanted, shared_->kept.size() - static_cast<size_t>(next_));
        std::memcpy(into.data() + filled, shared_->kept.data() + next_, count);
      } else if (next_ == shared_->position) {
        TRY_ASSIGN(count, shared_->read_on(into.subspan(filled, wanted), context));
        if (count == 0) break;
      } else {
        return std::unexpected(Error{ErrorCode::kInvalidInput,
                                     fmt::format("it lies in an archive that is read from front to back, and would have to be read twice "
                                                 "beyond its first {} MiB; load it without the archive",
                                                 kReopenBytesMax / kMiB),
                                     std::string(error_type::kTooLarge)});
      }
      filled += count;
      next_ += static_cast<int64_t>(count);
    }
    return filled;
  }

 private:
  const std::shared_ptr<OnceBytes> shared_;
  int64_t next_;
  const int64_t end_;
};

class OnceBlob final : public Blob {
 public:
  OnceBlob(std::unique_ptr<ByteSource> bytes, int64_t size_bytes)
      : shared_(std::make_shared<OnceBytes>(std::move(bytes))), size_bytes_(size_bytes) {}
  int64_t size_bytes() const override { return size_bytes_; }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context&) override {
    const int64_t begin = std::min(range.offset, size_bytes_);
    const int64_t end = range.length < 0 ? size_bytes_ : std::min(size_bytes_, begin + range.length);
    return std::make_unique<OnceSource>(shared_, begin, end);
  }

 private:
  const std::shared_ptr<OnceBytes> shared_;
  const int64_t size_bytes_;
};

class SliceBlob final : public Blob {
 public:
  SliceBlob(Blob& whole, int64_t from, int64_t to) : whole_(whole), from_(from), to_(to) {}
  int64_t size_bytes() const override { return to_ - from_; }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    const int64_t begin = std::min(from_ + range.offset, to_);
    const int64_t end = range.length < 0 ? to_ : std::min(to_, begin + range.length);
    return whole_.open({begin, end - begin}, context);
  }

 private:
  Blob& whole_;
  const int64_t from_, to_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> WindowBlob::open(ByteRange range, Context& context) {
  const int64_t begin = std::min(range.offset, size_bytes());
  const int64_t length = range.length < 0 ? size_bytes() - begin : std::min(range.length, size_bytes() - begin);
  if (length > kWindowBytes / 2) return inner_.open({begin, length}, context);
  if (begin < begin_ || begin + length > begin_ + std::ssize(window_)) {
    window_.clear();
    TRY_ASSIGN(window_, read_exactly(inner_, begin, std::min(kWindowBytes, size_bytes() - begin), context));
    begin_ = begin;
  }
  return make_memory_blob(window_.substr(static_cast<size_t>(begin - begin_), static_cast<size_t>(length)))->open({}, context);
}

std::unique_ptr<Blob> make_once_blob(std::unique_ptr<ByteSource> bytes, int64_t size_bytes) {
  return std::make_unique<OnceBlob>(std::move(bytes), size_bytes);
}

std::unique_ptr<Blob> make_slice_blob(Blob& whole, int64_t from, int64_t to) { return std::make_unique<SliceBlob>(whole, from, to); }

Result<std::string> read_exactly(Blob& blob, int64_t offset, int64_t size, Context& context) {
  if (offset < 0 || size < 0 || offset > blob.size_bytes() || size > blob.size_bytes() - offset) {
    return invalid_input(fmt::format("bytes {} to {} lie outside of its {} bytes", offset, offset + size, blob.size_bytes()));
  }
  TRY_ASSIGN(auto source, blob.open({offset, size}, context));
  std::string bytes(static_cast<size_t>(size), '\0');
  TRY_ASSIGN(const size_t count, source->read(bytes, context));
  if (count < bytes.size()) return invalid_input(fmt::format("it ends at byte {}", offset + static_cast<int64_t>(count)));
  return bytes;
}

}  // namespace sluice
