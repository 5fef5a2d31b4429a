#include "archives/zip_directory.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "archives/member_budget.h"

namespace sluice {
namespace {

constexpr size_t kEndBytes = 22, kCommentBytesMax = 65'535, kEntryBytes = 46;
constexpr size_t kZip64LocatorBytes = 20, kZip64EndBytes = 56;
constexpr size_t kDirectoryBufferBytes = 256 * 1024;  // holds the longest entry: three fields of 64 KiB each
constexpr std::string_view kEndMagic("PK\x05\x06", 4), kEntryMagic("PK\x01\x02", 4);
constexpr std::string_view kZip64LocatorMagic("PK\x06\x07", 4), kZip64EndMagic("PK\x06\x06", 4);
constexpr uint32_t kIn64 = 0xffffffff;  // the number is in the zip64 field
constexpr uint32_t kZip64Extra = 0x0001;

uint64_t number_at(std::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// MS-DOS date and time, which have no zone: taken for UTC.
Timestamp dos_time(uint32_t date, uint32_t time) {
  using namespace std::chrono;
  const year_month_day day{year(1980 + static_cast<int>(date >> 9)), month((date >> 5) & 15), std::chrono::day(date & 31)};
  if (!day.ok()) return {};
  const auto seconds =
      sys_days(day).time_since_epoch() + hours(time >> 11) + minutes((time >> 5) & 63) + 2 * std::chrono::seconds(time & 31);
  return {duration_cast<microseconds>(seconds).count()};
}

Error broken(std::string_view what) {
  return bad_archive(fmt::format("broken zip archive: {}; it was cut off or is damaged, so nothing in it was loaded. Send it again", what));
}

/// An error of read_exactly() says that the archive is too short for what it says of itself.
Result<std::string> read_record(Blob& blob, int64_t offset, int64_t size, std::string_view what, Context& context) {
  auto bytes = read_exactly(blob, offset, size, context);
  if (!bytes && bytes.error().code == ErrorCode::kInvalidInput && bytes.error().type.empty()) {
    return std::unexpected(broken(fmt::format("its {} {}", what, bytes.error().message)));
  }
  return bytes;
}

}  // namespace

uint32_t zip_u16(std::string_view bytes, size_t at) { return static_cast<uint32_t>(number_at(bytes, at, 2)); }
uint32_t zip_u32(std::string_view bytes, size_t at) { return static_cast<uint32_t>(number_at(bytes, at, 4)); }
uint64_t zip_u64(std::string_view bytes, size_t at) { return number_at(bytes, at, 8); }

Result<std::unique_ptr<ZipDirectory>> ZipDirectory::open(Blob& archive, Context& context) {
  std::unique_ptr<ZipDirectory> directory(new ZipDirectory(archive));
  TRY(directory->find_end(context));
  TRY_ASSIGN(directory->source_, directory->window_.open({directory->begin_, directory->end_ - directory->begin_}, context));
  directory->buffer_.resize(kDirectoryBufferBytes);
  return directory;
}

/// The end record stands before a comment of any length; the last one whose comment ends with the file is it.
Result<void> ZipDirectory::find_end(Context& context) {
  const int64_t size = window_.size_bytes();
  const int64_t tail_bytes = std::min<int64_t>(size, static_cast<int64_t>(kEndBytes + kCommentBytesMax));
  TRY_ASSIGN(const std::string tail, read_record(window_, size - tail_bytes, tail_bytes, "end", context));
  for (size_t at = tail.rfind(kEndMagic); at != std::string::npos; at = at == 0 ? std::string::npos : tail.rfind(kEndMagic, at - 1)) {
    if (at + kEndBytes > tail.size() || at + kEndBytes + zip_u16(tail, at + 20) != tail.size()) continue;
    return read_end(std::string_view(tail).substr(at, kEndBytes), size - tail_bytes + static_cast<int64_t>(at), context);
  }
  return std::unexpected(broken("it has no directory at its end"));
}

Result<void> ZipDirectory::read_end(std::string_view record, int64_t record_at, Context& context) {
  const uint32_t disk = zip_u16(record, 4);
  int64_t size = zip_u32(record, 12), offset = zip_u32(record, 16);
  entries_left_ = zip_u16(record, 10);
  end_ = record_at;
  if (disk != 0 && disk != 0xffff)
    return std::unexpected(bad_archive("a zip archive of several parts; join them, or pack it again as one"));
  if (entries_left_ == 0xffff || size == kIn64 || offset == kIn64) TRY(read_zip64_end(record_at, offset, size, context));
  if (size > end_ || offset > end_ - size) return std::unexpected(broken("its directory lies outside of it"));
  begin_ = end_ - size;
  shift_ = begin_ - offset;
  return {};
}

Result<void> ZipDirectory::read_zip64_end(int64_t record_at, int64_t& offset, int64_t& size, Context& context) {
  const int64_t locator_at = record_at - static_cast<int64_t>(kZip64LocatorBytes);
  if (locator_at < 0) return {};
  TRY_ASSIGN(const std::string locator, read_record(window_, locator_at, kZip64LocatorBytes, "zip64 locator", context));
  if (!locator.starts_with(kZip64LocatorMagic)) return {};  // the numbers are really that large
  const auto end_at = static_cast<int64_t>(zip_u64(locator, 8));
  TRY_ASSIGN(const std::string record, read_record(window_, end_at, kZip64EndBytes, "zip64 end", context));
  if (!record.starts_with(kZip64EndMagic)) return std::unexpected(broken("its zip64 end record is missing"));
  entries_left_ = static_cast<int64_t>(zip_u64(record, 32));
  size = static_cast<int64_t>(zip_u64(record, 40));
  offset = static_cast<int64_t>(zip_u64(record, 48));
  if (size < 0 || offset < 0 || entries_left_ < 0) return std::unexpected(broken("its directory lies outside of it"));
  end_ = end_at;
  return {};
}

/// The next bytes of the directory, valid until the next call.
Result<std::string_view> ZipDirectory::take(size_t count, Context& context) {
  if (buffer_size_ - buffer_next_ < count) {
    std::memmove(buffer_.data(), buffer_.data() + buffer_next_, buffer_size_ - buffer_next_);
    buffer_size_ -= std::exchange(buffer_next_, 0);
    TRY_ASSIGN(const size_t more, source_->read(std::span(buffer_).subspan(buffer_size_), context));
    buffer_size_ += more;
    if (buffer_size_ < count) return std::unexpected(broken("its directory ends early"));
  }
  buffer_next_ += count;
  return std::string_view(buffer_.data() + buffer_next_ - count, count);
}

/// Whether an entry follows those that the end record counts: writers without zip64 let its 16 bits run over.
Result<bool> ZipDirectory::has_uncounted(Context& context) {
  if (buffer_size_ - buffer_next_ < kEntryMagic.size()) {
    std::memmove(buffer_.data(), buffer_.data() + buffer_next_, buffer_size_ - buffer_next_);
    buffer_size_ -= std::exchange(buffer_next_, 0);
    TRY_ASSIGN(const size_t more, source_->read(std::span(buffer_).subspan(buffer_size_), context));
    buffer_size_ += more;
  }
  return std::string_view(buffer_.data() + buffer_next_, buffer_size_ - buffer_next_).starts_with(kEntryMagic);
}

Result<std::optional<ZipEntry>> ZipDirectory::next(Context& context) {
  if (entries_left_ == 0) {
    TRY_ASSIGN(const bool more, has_uncounted(context));
    if (!more) return std::nullopt;
  } else {
    --entries_left_;
  }
  TRY_ASSIGN(const std::string_view fixed, take(kEntryBytes, context));
  if (!fixed.starts_with(kEntryMagic)) return std::unexpected(broken("an entry of its directory is damaged"));
  constexpr uint32_t kEncryptedBit = 1, kStrongBit = 1 << 6, kUtf8Bit = 1 << 11, kMaskedBit = 1 << 13;
  constexpr uint32_t kUnix = 3, kMac = 19;
  const uint32_t flags = zip_u16(fixed, 8), made_by = zip_u16(fixed, 4) >> 8;
  ZipEntry entry;
  entry.name_is_utf8 = (flags & kUtf8Bit) != 0;
  entry.encrypted = (flags & (kEncryptedBit | kStrongBit | kMaskedBit)) != 0;
  entry.method = static_cast<int>(zip_u16(fixed, 10));
  entry.modified_at = dos_time(zip_u16(fixed, 14), zip_u16(fixed, 12));
  entry.crc = zip_u32(fixed, 16);
  entry.packed_bytes = zip_u32(fixed, 20);
  entry.size_bytes = zip_u32(fixed, 24);
  entry.header_offset = zip_u32(fixed, 42);
  if (made_by == kUnix || made_by == kMac) entry.unix_mode = zip_u32(fixed, 38) >> 16;
  const size_t name_bytes = zip_u16(fixed, 28), extra_bytes = zip_u16(fixed, 30), comment_bytes = zip_u16(fixed, 32);
  TRY_ASSIGN(const std::string_view rest, take(name_bytes + extra_bytes + comment_bytes, context));
  entry.raw_name = rest.substr(0, name_bytes);
  TRY(apply_extra(rest.substr(name_bytes, extra_bytes), entry));
  entry.header_offset += shift_;
  if (entry.header_offset < 0 || entry.packed_bytes < 0 || entry.size_bytes < 0 || entry.header_offset > begin_ ||
      entry.packed_bytes > begin_ - entry.header_offset) {
    return std::unexpected(broken("a member lies outside of it"));
  }
  return entry;
}

/// zip64: numbers that do not fit stand here, only those, in this order.
Result<void> ZipDirectory::apply_extra(std::string_view extra, ZipEntry& entry) const {
  while (extra.size() >= 4) {
    const uint32_t id = zip_u16(extra, 0), size = zip_u16(extra, 2);
    std::string_view field = extra.substr(4, size);
    extra.remove_prefix(std::min(extra.size(), size_t{4} + size));
    if (id != kZip64Extra) continue;
    for (int64_t* number : {&entry.size_bytes, &entry.packed_bytes, &entry.header_offset}) {
      if (*number != kIn64) continue;
      if (field.size() < 8) return std::unexpected(broken("an entry of its directory is damaged"));
      const uint64_t value = zip_u64(field, 0);
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 2))
        return std::unexpected(broken("a member lies outside of it"));
      *number = static_cast<int64_t>(value);
      field.remove_prefix(8);
    }
  }
  return {};
}

}  // namespace sluice
