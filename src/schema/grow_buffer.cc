#include "schema/grow_buffer.h"

#include <algorithm>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>

namespace sluice {
namespace {

constexpr int64_t kFirstBytes = 256;

// Status::Abort() itself does not ask whether there was an error.
void or_abort(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

}  // namespace

void GrowBuffer::grow(int64_t bytes_more) {
  const int64_t wanted = std::max({size_ + bytes_more, capacity_ * 2, capacity_hint_, kFirstBytes});
  if (!buffer_) {
    buffer_ = arrow::AllocateResizableBuffer(wanted).ValueOrDie();
  } else {
    // Only the bytes in use are kept by a reallocation.
    or_abort(buffer_->Resize(size_, /*shrink_to_fit=*/false));
    or_abort(buffer_->Reserve(wanted));
  }
  data_ = buffer_->mutable_data();
  capacity_ = buffer_->capacity();
}

std::shared_ptr<arrow::Buffer> GrowBuffer::take() {
  // Readers may look at zero-length buffers' addresses, so there is always one.
  if (!buffer_) grow(1);
  capacity_hint_ = size_;
  or_abort(buffer_->Resize(size_, /*shrink_to_fit=*/false));
  buffer_->ZeroPadding();
  std::shared_ptr<arrow::Buffer> taken = std::exchange(buffer_, nullptr);
  data_ = nullptr;
  size_ = capacity_ = 0;
  return taken;
}

}  // namespace sluice
