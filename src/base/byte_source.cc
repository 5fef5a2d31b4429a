#include "base/byte_source.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace sluice {
namespace {

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::shared_ptr<const std::string> bytes, size_t begin, size_t end) : bytes_(std::move(bytes)), next_(begin), end_(end) {}

  Result<size_t> read(std::span<char> into, Context&) override {
    const size_t count = std::min(into.size(), end_ - next_);
    std::memcpy(into.data(), bytes_->data() + next_, count);
    next_ += count;
    return count;
  }

 private:
  const std::shared_ptr<const std::string> bytes_;  // shared: a source may outlive the blob that opened it
  size_t next_;
  const size_t end_;
};

class MemoryBlob final : public Blob {
 public:
  explicit MemoryBlob(std::string bytes) : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_->size()); }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context&) override {
    const size_t size = bytes_->size();
    const size_t begin = std::min(static_cast<size_t>(range.offset), size);
    const size_t end = range.length < 0 ? size : std::min(begin + static_cast<size_t>(range.length), size);
    return std::make_unique<MemorySource>(bytes_, begin, end);
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
};

}  // namespace

std::unique_ptr<Blob> make_memory_blob(std::string bytes) { return std::make_unique<MemoryBlob>(std::move(bytes)); }

}  // namespace sluice
