// Bytes that grow at the end, can be cut back, and become an arrow::Buffer without a copy. Not thread-safe. Memory comes from Arrow's
// default pool; running out of it ends the process.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include <arrow/type_fwd.h>

namespace sluice {

class GrowBuffer {
 public:
  void append(const void* bytes, int64_t count) {
    if (size_ + count > capacity_) grow(count);
    if (count > 0) std::memcpy(data_ + size_, bytes, static_cast<size_t>(count));
    size_ += count;
  }
  template <class T>
  void push(T value) {
    if (size_ + static_cast<int64_t>(sizeof(T)) > capacity_) grow(sizeof(T));
    std::memcpy(data_ + size_, &value, sizeof(T));
    size_ += sizeof(T);
  }
  void append_zeros(int64_t count) {
    if (size_ + count > capacity_) grow(count);
    if (count > 0) std::memset(data_ + size_, 0, static_cast<size_t>(count));
    size_ += count;
  }
  template <class T>
  T at(int64_t index) const {
    T value;
    std::memcpy(&value, data_ + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
  }

  void truncate(int64_t size_bytes) { size_ = size_bytes; }
  int64_t size() const { return size_; }
  const uint8_t* data() const { return data_; }
  void reserve(int64_t bytes_more) {
    if (size_ + bytes_more > capacity_) grow(bytes_more);
  }

  /// Hands the bytes over and starts anew, sized like what was taken.
  std::shared_ptr<arrow::Buffer> take();

 private:
  void grow(int64_t bytes_more);

  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* data_ = nullptr;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
  int64_t capacity_hint_ = 0;
};

}  // namespace sluice
