#include "formats/decompress.h"

#include <array>
#include <string_view>
#include <utility>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

class PlainSource final : public ByteSource {
 public:
  explicit PlainSource(StoredBytes stored) : stored_(std::move(stored)) {}
  Result<size_t> read(std::span<char> into, Context& context) override { return stored_.read(into, context); }

 private:
  StoredBytes stored_;
};

}  // namespace

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone: return "none";
    case Compression::kGzip: return "gzip";
    case Compression::kZstd: return "zstd";
    case Compression::kBzip2: return "bzip2";
    case Compression::kXz: return "xz";
    case Compression::kLz4: return "lz4";
  }
  return "";
}

/// No head can begin UTF-8 text, except bzip2's: "BZh9" and the digits of pi (or of its root, where nothing follows) say it for sure.
Compression compression_of(std::string_view head) {
  constexpr std::string_view kBzip2Block("\x31\x41\x59\x26\x53\x59"), kBzip2End("\x17\x72\x45\x38\x50\x90"), kXz("\xfd\x37zXZ\x00", 6);
  if (head.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  if (head.starts_with("\x04\x22\x4d\x18")) return Compression::kLz4;
  if (head.starts_with(kXz)) return Compression::kXz;
  if (head.size() >= kMagicBytes && head.starts_with("BZh") && head[3] >= '1' && head[3] <= '9') {
    const std::string_view block = head.substr(4);
    if (block.starts_with(kBzip2Block) || block.starts_with(kBzip2End)) return Compression::kBzip2;
  }
  // Frames to be skipped are zstd's and lz4's alike; writers of zstd put them first (pzstd, seekable files).
  const bool skippable_frame = head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
  return skippable_frame ? Compression::kZstd : Compression::kNone;
}

Result<Compression> sniff_compression(Blob& blob, Context& context) {
  TRY_ASSIGN(auto source, blob.open({.offset = 0, .length = static_cast<int64_t>(kMagicBytes)}, context));
  std::array<char, kMagicBytes> head;
  TRY_ASSIGN(const size_t size, source->read(head, context));
  return compression_of({head.data(), size});
}

Result<std::unique_ptr<ByteSource>> open_decompressed(Blob& blob, ByteRange range, Context& context) {
  TRY_ASSIGN(auto source, blob.open(range, context));
  if (range.offset != 0) return source;
  const bool is_sample = range.length >= 0 && range.length < blob.size_bytes();
  StoredBytes stored(std::move(source), is_sample);
  TRY(stored.look_ahead(context));
  switch (compression_of(stored.head())) {
    case Compression::kGzip: return open_gzip(std::move(stored));
    case Compression::kZstd: return open_zstd(std::move(stored));
    case Compression::kBzip2: return open_bzip2(std::move(stored));
    case Compression::kXz: return open_xz(std::move(stored));
    case Compression::kLz4: return open_lz4(std::move(stored));
    case Compression::kNone: break;
  }
  return std::make_unique<PlainSource>(std::move(stored));
}

}  // namespace sluice
