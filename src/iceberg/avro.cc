#include "iceberg/avro.h"

#include <bit>

#include <zlib.h>

#include "base/ids.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncMarkerBytes = 16;

/// What is broken in a user's file contradicts our own records here.
std::unexpected<Error> corruption(const Error& error) { return fail(ErrorCode::kCorruption, error.message); }

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

class ValueReader {
 public:
  explicit ValueReader(AvroDecoder& in) : in_(in) {}

  Result<void> read(const AvroType& type, AvroValue& into) {
    TRY(in_.count_value());
    switch (type.kind) {
      case AvroType::kNull: into.value = std::monostate(); return {};
      case AvroType::kBoolean: return put(in_.read_boolean(), into);
      case AvroType::kInt:
      case AvroType::kLong:
      case AvroType::kEnum: return put(in_.read_long(), into);
      case AvroType::kFloat: {
        TRY_ASSIGN(const float value, in_.read_float());
        into.value = static_cast<double>(value);
        return {};
      }
      case AvroType::kDouble: return put(in_.read_double(), into);
      case AvroType::kBytes:
      case AvroType::kString: return put_text(in_.read_bytes(), into);
      case AvroType::kFixed: return put_text(in_.read_exactly(type.size), into);
      case AvroType::kUnion: {
        TRY_ASSIGN(const size_t branch, in_.read_branch(type));
        return read(*type.fields[branch].type, into);
      }
      case AvroType::kRecord: return read_record(type, into);
      case AvroType::kArray: return read_items(*type.fields[0].type, false, into);
      case AvroType::kMap: return read_items(*type.fields[0].type, true, into);
    }
    return {};
  }

 private:
  template <class T>
  static Result<void> put(Result<T> value, AvroValue& into) {
    TRY(value);
    into.value = *value;
    return {};
  }
  static Result<void> put_text(Result<std::string_view> bytes, AvroValue& into) {
    TRY(bytes);
    into.value = std::string(*bytes);
    return {};
  }

  Result<void> read_record(const AvroType& type, AvroValue& into) {
    AvroValue::Items items;
    for (const AvroField& field : type.fields) TRY(read(*field.type, items.emplace_back()));
    into.value = std::move(items);
    return {};
  }

  Result<void> read_items(const AvroType& item, bool with_keys, AvroValue& into) {
    AvroValue::Items items;
    while (true) {
      TRY_ASSIGN(int64_t count, in_.read_item_count());
      if (count == 0) break;
      for (; count > 0; --count) {
        if (with_keys) TRY(put_text(in_.read_bytes(), items.emplace_back()));
        TRY(read(item, items.emplace_back()));
      }
    }
    into.value = std::move(items);
    return {};
  }

  AvroDecoder& in_;
};

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
  Context context;
  const auto blob = make_memory_blob(std::string(bytes));
  TRY_ASSIGN(auto source, blob->open({}, context));
  auto file = AvroFile::open(std::move(source), context);
  if (!file) return corruption(file.error());
  return AvroReader(*std::move(file));
}

Result<bool> AvroReader::next(AvroValue& into) {
  Context context;
  while (block_records_left_ == 0) {
    const auto more = file_.next_block(context);
    if (!more) return corruption(more.error());
    if (!*more) return false;
    block_ = AvroDecoder(file_.block());
    block_records_left_ = file_.block_records();
  }
  if (auto read = ValueReader(block_).read(schema(), into); !read) return corruption(file_.broken(read.error().message));
  --block_records_left_;
  return true;
}

}  // namespace sluice
