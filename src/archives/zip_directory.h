// The central directory of a zip: where it lies and what its entries say. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archives/window_blob.h"
#include "base/byte_source.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// One entry as the directory writes it.
struct ZipEntry {
  std::string raw_name;
  bool name_is_utf8 = false;
  bool encrypted = false;
  int method = 0;
  uint32_t crc = 0;
  int64_t packed_bytes = 0, size_bytes = 0;
  int64_t header_offset = 0;  ///< of its local header, in the file
  uint32_t unix_mode = 0;     ///< 0: not known
  Timestamp modified_at;
};

class ZipDirectory {
 public:
  static Result<std::unique_ptr<ZipDirectory>> open(Blob& archive, Context& context);
  /// Entries in the directory's order; nullopt: no more.
  Result<std::optional<ZipEntry>> next(Context& context);
  /// No member's bytes reach beyond this.
  int64_t begin() const { return begin_; }

 private:
  explicit ZipDirectory(Blob& archive) : window_(archive) {}

  Result<void> find_end(Context& context);
  Result<void> read_end(std::string_view record, int64_t record_at, Context& context);
  Result<void> read_zip64_end(int64_t record_at, int64_t& offset, int64_t& size, Context& context);
  Result<bool> has_uncounted(Context& context);
  Result<std::string_view> take(size_t count, Context& context);
  Result<void> apply_extra(std::string_view extra, ZipEntry& entry) const;

  WindowBlob window_;
  int64_t begin_ = 0, end_ = 0;
  int64_t shift_ = 0;  // of all offsets: bytes before the archive that its writer did not count
  int64_t entries_left_ = 0;
  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  size_t buffer_next_ = 0, buffer_size_ = 0;
};

/// Little-endian numbers at `at`, which must lie inside.
uint32_t zip_u16(std::string_view bytes, size_t at);
uint32_t zip_u32(std::string_view bytes, size_t at);
uint64_t zip_u64(std::string_view bytes, size_t at);

}  // namespace sluice
