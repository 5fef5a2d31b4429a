#include "formats/avro_codecs.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "base/byte_source.h"
#include "formats/avro_file.h"
#include "formats/inflating_source.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kInflateStepBytes = 256 * kKiB;

std::unexpected<Error> bad_block(std::string message) {
  return std::unexpected(Error{ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kParseError)});
}

std::unexpected<Error> too_large(std::string_view codec) {
  return std::unexpected(Error{ErrorCode::kInvalidInput,
                               fmt::format("a {} block inflates to more than {} bytes", codec, kAvroBlockBytesMax),
                               std::string(error_type::kTooLarge)});
}

Result<std::string> inflate_raw(std::string_view in) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return bad_block("deflate cannot start");
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
  if (status != Z_STREAM_END && out.size() >= static_cast<size_t>(kAvroBlockBytesMax)) return too_large("deflate");
  if (status != Z_STREAM_END) return bad_block("a deflate block is damaged");
  return out;
}

/// Snappy's raw format: length, then literals and copies from what was written before. Avro puts the CRC of the result behind it.
Result<std::string> snappy_block(std::string_view in) {
  constexpr size_t kCrcBytes = 4;
  if (in.size() < kCrcBytes) return bad_block("a snappy block is too short");
  uint32_t crc = 0;
  for (size_t i = 0; i < kCrcBytes; ++i) crc = crc << 8 | static_cast<uint8_t>(in[in.size() - kCrcBytes + i]);
  in.remove_suffix(kCrcBytes);
  uint64_t length = 0;
  size_t at = 0;
  for (int shift = 0;; shift += 7) {
    if (at == in.size() || shift > 28) return bad_block("a snappy block has no length");
    const auto byte = static_cast<uint8_t>(in[at++]);
    length |= uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (length > static_cast<uint64_t>(kAvroBlockBytesMax)) return bad_block("a snappy block is too large");
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
    if (in.size() - at < extra) return bad_block("a snappy block ends early");
    if (kind == 0) {
      const uint64_t count = (extra == 0 ? uint64_t{tag} >> 2 : little_endian(extra)) + 1;
      if (in.size() - at < count || out.size() + count > length) return bad_block("a snappy block ends early");
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
    if (offset == 0 || offset > out.size() || out.size() + count > length) return bad_block("a snappy block is damaged");
    for (size_t i = 0; i < count; ++i) out.push_back(out[out.size() - offset]);
  }
  if (out.size() != length) return bad_block("a snappy block ends early");
  if (crc32(0, reinterpret_cast<const Bytef*>(out.data()), static_cast<uInt>(out.size())) != crc) {
    return bad_block("a snappy block has a wrong checksum");
  }
  return out;
}

/// Codecs whose blocks are streams as in files.
Result<std::string> inflate_stream(std::string_view codec, std::string_view stored, Context& context) {
  auto blob = make_memory_blob(std::string(stored));
  TRY_ASSIGN(auto plain, blob->open({}, context));
  StoredBytes bytes(std::move(plain), false);
  TRY(bytes.look_ahead(context));
  TRY_ASSIGN(auto source, codec == "bzip2" ? open_bzip2(std::move(bytes))
                          : codec == "xz"  ? open_xz(std::move(bytes))
                                           : open_zstd(std::move(bytes)));
  std::string out;
  for (;;) {
    const size_t had = out.size();
    if (had > static_cast<size_t>(kAvroBlockBytesMax)) return too_large(codec);
    out.resize(had + std::max(had, kInflateStepBytes));
    TRY_ASSIGN(const size_t got, source->read({out.data() + had, out.size() - had}, context));
    const bool ended = got < out.size() - had;
    out.resize(had + got);
    if (ended) return out;
  }
}

}  // namespace

Result<std::string> inflate_avro_block(std::string_view codec, std::string_view stored, Context& context) {
  if (codec == "deflate") return inflate_raw(stored);
  if (codec == "snappy") return snappy_block(stored);
  if (codec == "bzip2" || codec == "xz" || codec == "zstandard") return inflate_stream(codec, stored, context);
  return bad_block(fmt::format("compression \"{}\" is not supported", codec));
}

}  // namespace sluice
