#include "formats/blob_file.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <fmt/format.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr int64_t kAllocationBytesMax = 512 * kMiB;  // of one page, or of one column of a batch

class ReaderMemoryPool final : public arrow::MemoryPool {
 public:
  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    ARROW_RETURN_NOT_OK(check(size));
    return pool_->Allocate(size, alignment, out);
  }
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    ARROW_RETURN_NOT_OK(check(new_size));
    return pool_->Reallocate(old_size, new_size, alignment, ptr);
  }
  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override { pool_->Free(buffer, size, alignment); }
  void ReleaseUnused() override { pool_->ReleaseUnused(); }
  int64_t bytes_allocated() const override { return pool_->bytes_allocated(); }
  int64_t max_memory() const override { return pool_->max_memory(); }
  int64_t total_bytes_allocated() const override { return pool_->total_bytes_allocated(); }
  int64_t num_allocations() const override { return pool_->num_allocations(); }
  std::string backend_name() const override { return pool_->backend_name(); }

 private:
  static arrow::Status check(int64_t size) {
    if (size <= kAllocationBytesMax) return arrow::Status::OK();
    return arrow::Status::OutOfMemory(fmt::format("{} bytes at once, above the limit of {}", size, kAllocationBytesMax));
  }

  arrow::MemoryPool* const pool_ = arrow::default_memory_pool();
};

}  // namespace

arrow::MemoryPool* reader_memory_pool() {
  static auto* const pool = new ReaderMemoryPool();  // never destroyed: buffers go back to it at any time
  return pool;
}

Result<void> BlobFile::hold(int64_t begin, int64_t end) {
  const int64_t length = std::min(end, blob_.size_bytes()) - begin;
  held_.clear();
  if (begin < 0 || length <= 0 || length > kHeldBytesMax) return {};
  std::string bytes(static_cast<size_t>(length), '\0');
  TRY_ASSIGN(const int64_t count, read_now(begin, length, bytes.data()));
  bytes.resize(static_cast<size_t>(count));
  held_ = std::move(bytes);
  held_begin_ = begin;
  return {};
}

Result<int64_t> BlobFile::read_now(int64_t position, int64_t nbytes, char* out) {
  TRY(context_.check());
  const auto held_end = held_begin_ + static_cast<int64_t>(held_.size());
  if (position >= held_begin_ && position + nbytes <= held_end) {
    std::memcpy(out, held_.data() + (position - held_begin_), static_cast<size_t>(nbytes));
    return nbytes;
  }
  TRY_ASSIGN(auto source, blob_.open({position, nbytes}, context_));
  int64_t filled = 0;
  while (filled < nbytes) {
    TRY_ASSIGN(const size_t count, source->read({out + filled, static_cast<size_t>(nbytes - filled)}, context_));
    if (count == 0) break;
    filled += static_cast<int64_t>(count);
  }
  if (filled == nbytes) return filled;
  // Said here: Arrow takes some short reads for the end of a column.
  return std::unexpected(Error{ErrorCode::kConflict,
                               fmt::format("it ended at byte {}, before its listed size of {}; it is read again, by this run or the next",
                                           position + filled, blob_.size_bytes()),
                               std::string(error_type::kChangedWhileRead)});
}

Error BlobFile::explain(const arrow::Status& status, std::string_view what) const {
  if (failure_) return *failure_;
  const auto type = status.IsOutOfMemory() ? error_type::kTooLarge : error_type::kParseError;
  std::string reason = status.message();
  reason = reason.substr(0, reason.find('\n'));
  return {ErrorCode::kInvalidInput, fmt::format("{}: {}", what, reason), std::string(type)};
}

arrow::Status BlobFile::Close() {
  closed_ = true;
  return arrow::Status::OK();
}

arrow::Status BlobFile::Seek(int64_t position) {
  if (position < 0 || position > blob_.size_bytes()) return arrow::Status::IOError("a position outside of the file");
  position_ = position;
  return arrow::Status::OK();
}

arrow::Result<int64_t> BlobFile::Read(int64_t nbytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const int64_t count, ReadAt(position_, nbytes, out));
  position_ += count;
  return count;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> BlobFile::Read(int64_t nbytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, nbytes));
  position_ += buffer->size();
  return buffer;
}

arrow::Result<int64_t> BlobFile::ReadAt(int64_t position, int64_t nbytes, void* out) {
  if (position < 0 || nbytes < 0) return arrow::Status::IOError("a range outside of the file");
  if (out == nullptr && nbytes > 0) return arrow::Status::OutOfMemory("no memory");  // the ORC library does not look what malloc says
  nbytes = std::clamp<int64_t>(blob_.size_bytes() - position, 0, nbytes);
  if (nbytes == 0) return 0;
  auto count = read_now(position, nbytes, static_cast<char*>(out));
  if (count) return *count;
  failure_ = count.error();
  return arrow::Status::IOError(failure_->message);
}

arrow::Result<std::shared_ptr<arrow::Buffer>> BlobFile::ReadAt(int64_t position, int64_t nbytes) {
  nbytes = std::clamp<int64_t>(blob_.size_bytes() - std::max<int64_t>(position, 0), 0, nbytes);
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(nbytes, reader_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(const int64_t count, ReadAt(position, nbytes, buffer->mutable_data()));
  ARROW_RETURN_NOT_OK(buffer->Resize(count));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace sluice
