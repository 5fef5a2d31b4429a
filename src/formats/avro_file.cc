#include "formats/avro_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "formats/avro_codecs.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncMarkerBytes = 16;
constexpr int64_t kHeaderEntriesMax = 1000;
constexpr int64_t kHeaderBytesMax = 64 * kMiB;  // of one entry
constexpr size_t kReadBytes = 256 * kKiB;
constexpr size_t kLongBytesMax = 10;

std::unexpected<Error> bad_file(std::string message) {
  return std::unexpected(Error{ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kParseError)});
}

template <class Real, class Bits>
Real real_of(std::string_view bytes) {
  Bits bits = 0;
  for (size_t i = 0; i < sizeof(Bits); ++i) bits |= Bits{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return std::bit_cast<Real>(bits);
}

}  // namespace

Result<int64_t> AvroDecoder::read_long() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (rest_.empty()) return bad_file("it ends inside a number");
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  return bad_file("a number is longer than 64 bits");
}

Result<std::string_view> AvroDecoder::read_exactly(int64_t count) {
  if (count < 0 || static_cast<uint64_t>(count) > rest_.size()) return bad_file("it ends inside a value");
  const std::string_view taken = rest_.substr(0, static_cast<size_t>(count));
  rest_.remove_prefix(taken.size());
  return taken;
}

Result<std::string_view> AvroDecoder::read_bytes() {
  TRY_ASSIGN(const int64_t length, read_long());
  return read_exactly(length);
}

Result<bool> AvroDecoder::read_boolean() {
  TRY_ASSIGN(const auto byte, read_exactly(1));
  return byte.front() != 0;
}

Result<float> AvroDecoder::read_float() {
  TRY_ASSIGN(const auto bytes, read_exactly(sizeof(float)));
  return real_of<float, uint32_t>(bytes);
}

Result<double> AvroDecoder::read_double() {
  TRY_ASSIGN(const auto bytes, read_exactly(sizeof(double)));
  return real_of<double, uint64_t>(bytes);
}

Result<size_t> AvroDecoder::read_branch(const AvroType& type) {
  TRY_ASSIGN(const int64_t branch, read_long());
  if (branch >= 0 && static_cast<uint64_t>(branch) < type.fields.size()) return static_cast<size_t>(branch);
  return bad_file("a union names a branch that it does not have");
}

Result<int64_t> AvroDecoder::read_item_count() {
  TRY_ASSIGN(const int64_t count, read_long());
  if (count >= 0) return count;
  TRY(read_long());  // the part says its bytes too, for those who skip
  if (count == INT64_MIN) return bad_file("an array has an impossible length");
  return -count;
}

Result<void> AvroDecoder::count_value() {
  if (--values_left_ < 0) return bad_file("it holds more values than its bytes can mean");
  return {};
}

Result<AvroFile> AvroFile::open(std::unique_ptr<ByteSource> source, Context& context) {
  AvroFile file(std::move(source));
  TRY(file.read_header(context));
  return file;
}

Error AvroFile::broken(std::string_view message) const {
  return {ErrorCode::kInvalidInput, fmt::format("broken Avro file: {} (byte {})", message, block_begin_),
          std::string(error_type::kParseError), 0, block_begin_};
}

Result<void> AvroFile::fill(size_t count, Context& context) {
  while (buffer_.size() - next_ < count && !source_ended_) {
    TRY(context.check());
    buffer_.erase(0, next_);
    buffer_byte_ += static_cast<int64_t>(std::exchange(next_, 0));
    // A length that the file only claims must not take memory: grow as bytes really come.
    const size_t had = buffer_.size(), wanted = std::min(std::max(count - had, kReadBytes), std::max(had, kReadBytes));
    buffer_.resize(had + wanted);
    TRY_ASSIGN(const size_t got, source_->read({buffer_.data() + had, wanted}, context));
    buffer_.resize(had + got);
    source_ended_ = got < wanted;
  }
  return {};
}

Result<int64_t> AvroFile::take_long(Context& context) {
  TRY(fill(kLongBytesMax, context));
  AvroDecoder in(rest().substr(0, kLongBytesMax));
  auto value = in.read_long();
  if (!value) return std::unexpected(broken(value.error().message));
  next_ += std::min(rest().size(), kLongBytesMax) - in.rest().size();
  return *value;
}

Result<std::string_view> AvroFile::take(int64_t count, Context& context) {
  if (count < 0) return std::unexpected(broken("a negative length"));
  TRY(fill(static_cast<size_t>(count), context));
  if (rest().size() < static_cast<size_t>(count)) return std::unexpected(broken("it ends inside a value"));
  const std::string_view taken = rest().substr(0, static_cast<size_t>(count));
  next_ += taken.size();
  return taken;
}

Result<void> AvroFile::read_header(Context& context) {
  TRY(fill(kMagic.size(), context));
  if (!rest().starts_with(kMagic)) return std::unexpected(broken("it does not begin with Avro's magic bytes"));
  next_ += kMagic.size();
  for (int64_t entries = 0;;) {
    TRY_ASSIGN(int64_t count, take_long(context));
    if (count == 0) break;
    if (count < 0) {
      TRY(take_long(context));
      count = count == INT64_MIN ? kHeaderEntriesMax + 1 : -count;
    }
    if (count > kHeaderEntriesMax || (entries += count) > kHeaderEntriesMax) return std::unexpected(broken("its header is too long"));
    for (; count > 0; --count) {
      std::string parts[2];
      for (std::string& part : parts) {
        TRY_ASSIGN(const int64_t length, take_long(context));
        if (length > kHeaderBytesMax) return std::unexpected(broken("its header is too long"));
        TRY_ASSIGN(part, take(length, context));
      }
      metadata_[parts[0]] = std::move(parts[1]);
    }
  }
  TRY_ASSIGN(sync_marker_, take(kSyncMarkerBytes, context));
  codec_ = metadata_.contains("avro.codec") ? metadata_["avro.codec"] : "null";
  TRY_ASSIGN(schema_, parse_avro_schema(metadata_["avro.schema"]));
  return {};
}

Result<bool> AvroFile::next_block(Context& context) {
  TRY(fill(1, context));
  if (rest().empty()) return false;
  block_begin_ = buffer_byte_ + static_cast<int64_t>(next_);
  TRY_ASSIGN(block_records_, take_long(context));
  TRY_ASSIGN(const int64_t length, take_long(context));
  if (block_records_ < 0) return std::unexpected(broken("a block has a negative number of records"));
  if (length < 0) return std::unexpected(broken("a block has a negative length"));
  if (length > kAvroBlockBytesMax) {
    Error error = broken(fmt::format("a block of {} bytes, above the limit of {}", length, kAvroBlockBytesMax));
    error.type = error_type::kTooLarge;
    return std::unexpected(std::move(error));
  }
  TRY_ASSIGN(const auto both, take(length + static_cast<int64_t>(kSyncMarkerBytes), context));
  if (both.substr(static_cast<size_t>(length)) != sync_marker_) return std::unexpected(broken("a block lacks its end marker"));
  TRY(decompress(both.substr(0, static_cast<size_t>(length)), context));
  return true;
}

Result<void> AvroFile::decompress(std::string_view stored, Context& context) {
  if (codec_ == "null") {
    block_ = stored;
    return {};
  }
  auto inflated = inflate_avro_block(codec_, stored, context);
  if (!inflated) {
    if (inflated.error().code == ErrorCode::kCancelled) return std::unexpected(inflated.error());
    Error error = broken(inflated.error().message);
    error.type = inflated.error().type;
    return std::unexpected(std::move(error));
  }
  storage_ = *std::move(inflated);
  block_ = storage_;
  return {};
}

}  // namespace sluice
