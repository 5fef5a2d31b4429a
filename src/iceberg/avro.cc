#include "iceberg/avro.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include "base/ids.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncMarkerBytes = 16;
constexpr int64_t kHeaderEntriesMax = 1000;
// A value takes a byte at least, save empty records and nulls outside unions; files that hold many of those want our memory.
constexpr int64_t kValuesPerByteMax = 4;
constexpr int64_t kValuesMin = 4096;

std::unexpected<Error> broken(std::string message) { return fail(ErrorCode::kCorruption, "Avro file: " + std::move(message)); }

// 16 bytes that do not occur in data by chance: the hexadecimal digits of a fresh UUID.
std::string new_sync_marker() {
  std::string marker;
  int high = -1;
  for (const char c : new_uuid()) {
    if (c == '-') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      marker.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  marker.resize(kSyncMarkerBytes, '\0');
  return marker;
}

bool deflate_raw(std::string_view in, std::string& out) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  out.resize(deflateBound(&stream, in.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return done;
}

// ---- bytes -> values

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  std::string_view rest() const { return rest_; }

  Result<int64_t> read_long() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (rest_.empty()) return broken("it ends inside a number");
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= uint64_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80) == 0) return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
    }
    return broken("a number is longer than 64 bits");
  }

  Result<std::string_view> read_exactly(int64_t count) {
    if (count < 0 || static_cast<uint64_t>(count) > rest_.size()) return broken("it ends inside a value");
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(count));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  Result<std::string_view> read_bytes() {
    TRY_ASSIGN(const int64_t length, read_long());
    return read_exactly(length);
  }

 private:
  std::string_view rest_;
};

class ValueReader {
 public:
  ValueReader(Decoder& in, int64_t& values_left) : in_(in), values_left_(values_left) {}

  Result<void> read(const AvroType& type, AvroValue& into) {
    if (--values_left_ < 0) return broken("it holds more values than its bytes can mean");
    switch (type.kind) {
      case AvroType::kNull: into.value = std::monostate(); return {};
      case AvroType::kBoolean: {
        TRY_ASSIGN(const auto byte, in_.read_exactly(1));
        into.value = byte.front() != 0;
        return {};
      }
      case AvroType::kInt:
      case AvroType::kLong:
      case AvroType::kEnum: {
        TRY_ASSIGN(into.value, in_.read_long());
        return {};
      }
      case AvroType::kFloat: return read_real<float, uint32_t>(into);
      case AvroType::kDouble: return read_real<double, uint64_t>(into);
      case AvroType::kBytes:
      case AvroType::kString: {
        TRY_ASSIGN(const auto bytes, in_.read_bytes());
        into.value = std::string(bytes);
        return {};
      }
      case AvroType::kFixed: {
        TRY_ASSIGN(const auto bytes, in_.read_exactly(type.size));
        into.value = std::string(bytes);
        return {};
      }
      case AvroType::kUnion: return read_union(type, into);
      case AvroType::kRecord: return read_record(type, into);
      case AvroType::kArray: return read_items(*type.fields[0].type, false, into);
      case AvroType::kMap: return read_items(*type.fields[0].type, true, into);
    }
    return broken("unknown type");
  }

 private:
  template <class Real, class Bits>
  Result<void> read_real(AvroValue& into) {
    TRY_ASSIGN(const auto bytes, in_.read_exactly(sizeof(Bits)));
    Bits bits = 0;
    for (size_t i = 0; i < sizeof(Bits); ++i) bits |= Bits{static_cast<uint8_t>(bytes[i])} << (8 * i);
    into.value = static_cast<double>(std::bit_cast<Real>(bits));
    return {};
  }

  Result<void> read_union(const AvroType& type, AvroValue& into) {
    TRY_ASSIGN(const int64_t branch, in_.read_long());
    if (branch < 0 || static_cast<uint64_t>(branch) >= type.fields.size()) return broken("a union names a branch that it does not have");
    return read(*type.fields[static_cast<size_t>(branch)].type, into);
  }

  Result<void> read_record(const AvroType& type, AvroValue& into) {
    if (static_cast<int64_t>(type.fields.size()) > values_left_) return broken("it holds more values than its bytes can mean");
    auto& items = into.value.emplace<AvroValue::Items>(type.fields.size());
    for (size_t i = 0; i < items.size(); ++i) TRY(read(*type.fields[i].type, items[i]));
    return {};
  }

  Result<void> read_items(const AvroType& item, bool with_keys, AvroValue& into) {
    AvroValue::Items items;
    while (true) {
      TRY_ASSIGN(int64_t count, in_.read_long());
      if (count == 0) break;
      if (count < 0) {  // the block says its bytes too, for those who skip
        TRY(in_.read_long());
        if (count == INT64_MIN) return broken("an array has an impossible length");
        count = -count;
      }
      for (; count > 0; --count) {
        if (with_keys) {
          TRY_ASSIGN(const auto key, in_.read_bytes());
          items.push_back({std::string(key)});
        }
        TRY(read(item, items.emplace_back()));
      }
    }
    into.value = std::move(items);
    return {};
  }

  Decoder& in_;
  int64_t& values_left_;
};

// ---- codecs

Result<std::string> inflate_raw(std::string_view in) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return broken("deflate cannot start");
  std::string out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  int status = Z_OK;
  while (status == Z_OK) {
    const size_t had = out.size();
    if (had >= static_cast<size_t>(kAvroBlockBytesMax)) break;
    out.resize(std::min<size_t>(std::max<size_t>(had * 2, 4 * in.size() + 1024), static_cast<size_t>(kAvroBlockBytesMax)));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(out.size() - had);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) break;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) return broken("a deflate block is damaged or too large");
  return out;
}

Result<std::string> zstd_block(std::string_view in) {
  std::string out;
  ZSTD_DStream* stream = ZSTD_createDStream();
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  size_t status = 1;
  while (status != 0 && !ZSTD_isError(status) && out.size() < static_cast<size_t>(kAvroBlockBytesMax)) {
    const size_t had = out.size();
    out.resize(std::min<size_t>(std::max<size_t>(had * 2, 4 * in.size() + 1024), static_cast<size_t>(kAvroBlockBytesMax)));
    ZSTD_outBuffer output{out.data() + had, out.size() - had, 0};
    const size_t read_before = input.pos;
    status = ZSTD_decompressStream(stream, &output, &input);
    out.resize(had + output.pos);
    if (output.pos == 0 && input.pos == read_before) break;
  }
  ZSTD_freeDStream(stream);
  if (status != 0) return broken("a zstandard block is damaged or too large");
  return out;
}

// Snappy's raw format: length, then literals and copies from what was written before. The CRC that Avro puts behind it is not checked:
// a damaged block fails to decode or breaks the sync marker.
Result<std::string> snappy_block(std::string_view in) {
  constexpr size_t kCrcBytes = 4;
  if (in.size() < kCrcBytes) return broken("a snappy block is too short");
  in.remove_suffix(kCrcBytes);
  uint64_t length = 0;
  size_t at = 0;
  for (int shift = 0;; shift += 7) {
    if (at == in.size() || shift > 28) return broken("a snappy block has no length");
    const auto byte = static_cast<uint8_t>(in[at++]);
    length |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (length > static_cast<uint64_t>(kAvroBlockBytesMax)) return broken("a snappy block is too large");
  auto little_endian = [&](size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>(in[at + i])} << (8 * i);
    at += bytes;
    return value;
  };
  std::string out;
  while (at < in.size()) {
    const auto tag = static_cast<uint8_t>(in[at++]);
    const size_t kind = tag & 3u;
    const size_t extra = kind == 0 ? ((tag >> 2) >= 60 ? (tag >> 2) - 59u : 0u) : (kind == 3 ? 4 : kind);
    if (in.size() - at < extra) return broken("a snappy block ends early");
    if (kind == 0) {
      const uint64_t count = (extra == 0 ? uint64_t{tag} >> 2 : little_endian(extra)) + 1;
      if (in.size() - at < count || out.size() + count > length) return broken("a snappy block ends early");
      out.append(in.substr(at, count));
      at += count;
      continue;
    }
    size_t count = (tag >> 2) + 1u, offset = 0;
    if (kind == 1) {
      count = ((tag >> 2) & 7u) + 4;
      offset = ((tag & 0xE0u) << 3) | little_endian(1);
    } else {
      offset = little_endian(extra);
    }
    if (offset == 0 || offset > out.size() || out.size() + count > length) return broken("a snappy block is damaged");
    for (size_t i = 0; i < count; ++i) out.push_back(out[out.size() - offset]);
  }
  if (out.size() != length) return broken("a snappy block ends early");
  return out;
}

}  // namespace

void AvroEncoder::put_long(int64_t value) {
  uint64_t zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (zigzag >= 0x80) {
    bytes_.push_back(static_cast<char>(zigzag | 0x80));
    zigzag >>= 7;
  }
  bytes_.push_back(static_cast<char>(zigzag));
}

void AvroEncoder::put_float(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<char>(bits >> shift));
}

void AvroEncoder::put_double(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(bits >> shift));
}

AvroWriter::AvroWriter(std::string_view schema_json, const std::map<std::string, std::string>& metadata) : sync_marker_(new_sync_marker()) {
  std::map<std::string, std::string> header = metadata;
  header["avro.schema"] = schema_json;
  header["avro.codec"] = "deflate";
  AvroEncoder encoder;
  encoder.put_fixed(kMagic);
  encoder.put_long(static_cast<int64_t>(header.size()));
  for (const auto& [key, value] : header) {
    encoder.put_bytes(key);
    encoder.put_bytes(value);
  }
  encoder.put_long(0);
  encoder.put_fixed(sync_marker_);
  file_ = encoder.bytes();
}

void AvroWriter::append(std::string_view record) {
  block_.append(record);
  ++block_records_;
  if (block_.size() >= static_cast<size_t>(kAvroBlockBytesWritten)) close_block();
}

void AvroWriter::close_block() {
  if (block_records_ == 0) return;
  std::string compressed;
  failed_ = failed_ || !deflate_raw(block_, compressed);
  AvroEncoder encoder;
  encoder.put_long(block_records_);
  encoder.put_bytes(compressed);
  encoder.put_fixed(sync_marker_);
  file_.append(encoder.bytes());
  block_.clear();
  block_records_ = 0;
}

Result<std::string> AvroWriter::finish() {
  close_block();
  if (failed_) return fail(ErrorCode::kUnavailable, "writing an Avro file: deflate failed (out of memory?)");
  return std::move(file_);
}

Result<AvroReader> AvroReader::open(std::string_view bytes) {
  AvroReader reader(bytes);
  TRY(reader.read_header());
  return reader;
}

Result<void> AvroReader::read_header() {
  if (!rest_.starts_with(kMagic)) return broken("it does not begin with Avro's magic bytes");
  Decoder in(rest_.substr(kMagic.size()));
  while (true) {
    TRY_ASSIGN(int64_t count, in.read_long());
    if (count == 0) break;
    if (count < 0) {
      TRY(in.read_long());
      count = count == INT64_MIN ? kHeaderEntriesMax + 1 : -count;
    }
    if (count > kHeaderEntriesMax) return broken("its header is too long");
    for (; count > 0; --count) {
      TRY_ASSIGN(const auto key, in.read_bytes());
      TRY_ASSIGN(const auto value, in.read_bytes());
      metadata_[std::string(key)] = value;
    }
  }
  TRY_ASSIGN(sync_marker_, in.read_exactly(kSyncMarkerBytes));
  rest_ = in.rest();
  TRY_ASSIGN(schema_, parse_avro_schema(metadata_["avro.schema"]));
  return {};
}

Result<bool> AvroReader::next_block() {
  if (rest_.empty()) return false;
  Decoder in(rest_);
  TRY_ASSIGN(block_records_left_, in.read_long());
  TRY_ASSIGN(const auto stored, in.read_bytes());
  TRY_ASSIGN(const auto marker, in.read_exactly(kSyncMarkerBytes));
  if (block_records_left_ < 0) return broken("a block has a negative number of records");
  if (marker != sync_marker_) return broken(fmt::format("the block that ends at byte {} lacks its end marker", size_ - in.rest().size()));
  rest_ = in.rest();
  const std::string codec = metadata_.contains("avro.codec") ? metadata_["avro.codec"] : "null";
  if (codec == "deflate") {
    TRY_ASSIGN(block_storage_, inflate_raw(stored));
  } else if (codec == "zstandard") {
    TRY_ASSIGN(block_storage_, zstd_block(stored));
  } else if (codec == "snappy") {
    TRY_ASSIGN(block_storage_, snappy_block(stored));
  } else if (codec != "null") {
    return broken(fmt::format("compression \"{}\" is not supported", codec));
  }
  block_ = codec == "null" ? stored : std::string_view(block_storage_);
  block_values_left_ = kValuesMin + kValuesPerByteMax * static_cast<int64_t>(block_.size());
  return true;
}

Result<bool> AvroReader::next(AvroValue& into) {
  while (block_records_left_ == 0) {
    TRY_ASSIGN(const bool more, next_block());
    if (!more) return false;
  }
  Decoder in(block_);
  TRY(ValueReader(in, block_values_left_).read(*schema_, into));
  block_ = in.rest();
  --block_records_left_;
  return true;
}

}  // namespace sluice
