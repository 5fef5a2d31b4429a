// The part of the 7z format that says which coders a file needs. A header is a tree of properties, each a byte that names it; numbers are
// one to nine bytes long, the leading ones of the first byte say how many follow. Most headers are packed themselves: then a small outer
// header says by which coder, and the inner one is looked at as well.
//
//   signature header (32 bytes) -> offset, size -> [EncodedHeader: pack info, folders] -> LZMA -> [Header: ... folders ...]
#include "archives/seven_zip_header.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <lzma.h>

#include "archives/member_budget.h"
#include "archives/window_blob.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int64_t kSignatureBytes = 32;
constexpr uint64_t kContentsMax = kArchiveMembersMax;  // members that are not empty, and what they are packed in
constexpr uint64_t kEntriesMax = 1'000'000;            // empty ones and folders, too; libarchive makes room for as many as a header says
constexpr uint64_t kPacksMax = 1'000'000, kCodersMax = 32, kStreamsMax = 32;
constexpr int kHeadersMax = 4;  // a packed header may hold a packed header

enum Property : uint64_t {
  kEnd = 0,
  kHeader = 1,

  kMainStreams = 4,
  kFiles = 5,
  kPackInfo = 6,
  kUnpackInfo = 7,
  kSubStreams = 8,
  kSizes = 9,
  kCrc = 10,
  kFolder = 11,
  kUnpackSizes = 12,
  kSubStreamCounts = 13,
  kEncodedHeader = 23,
};

constexpr std::string_view kCopy("\x00", 1), kLzma("\x03\x01\x01", 3), kLzma2("\x21", 1), kPpmd("\x03\x04\x01", 3),
    kAes("\x06\xf1\x07\x01", 4);

struct Coder {
  std::string id, properties;
  int64_t memory_bytes() const {
    if (id == kLzma && properties.size() >= 5) return little_endian(1, 4);
    if (id == kPpmd && properties.size() >= 5) return little_endian(1, 4);
    if (id == kLzma2 && !properties.empty()) {
      const int bits = static_cast<unsigned char>(properties[0]) & 0x3f;
      if (bits >= 40) return int64_t{0xffffffff};
      return static_cast<int64_t>(2 | (bits & 1)) << (bits / 2 + 11);
    }
    return 0;
  }
  int64_t little_endian(size_t at, size_t count) const {
    int64_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(properties[at + i]);
    return value;
  }
};

struct Folder {
  std::vector<Coder> coders;
  uint64_t outputs = 0;
};

/// What the streams info says, as far as it is needed: a small file may say a lot.
struct Streams {
  uint64_t pack_offset = 0;  // behind the signature header
  uint64_t packs = 0, first_pack_size = 0;
  uint64_t folders = 0;
  Folder first_folder;
  uint64_t outputs = 0;                      // of all folders
  std::optional<uint64_t> last_unpack_size;  // of the last output
  std::vector<bool> has_crc;                 // of each folder
};

/// Where the streams lie: those of the header itself, or of members.
enum class Of { kHeader, kContent };

Error too_many(uint64_t limit, std::string_view what) {
  return archive_too_large(fmt::format("the 7z archive has more than {} {}; split it", limit, what));
}

Error broken() { return bad_archive("broken 7z archive: its header is damaged; it was cut off or is damaged. Send it again"); }

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view bytes) : left_(bytes) {}

  Result<uint64_t> number() {
    TRY_ASSIGN(const uint8_t first, byte());
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) {
      const uint8_t mask = static_cast<uint8_t>(0x80 >> i);
      if ((first & mask) == 0) return value | static_cast<uint64_t>(first & (mask - 1)) << (8 * i);
      TRY_ASSIGN(const uint8_t next, byte());
      value |= static_cast<uint64_t>(next) << (8 * i);
    }
    return value;
  }
  Result<uint8_t> byte() {
    TRY_ASSIGN(const std::string_view one, take(1));
    return static_cast<uint8_t>(one[0]);
  }
  Result<std::string_view> take(uint64_t count) {
    if (count > left_.size()) return std::unexpected(broken());
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view left_;
};

/// Passes over checksums of `count` streams; which of them have one.
Result<std::vector<bool>> read_digests(HeaderReader& reader, uint64_t count) {
  TRY_ASSIGN(const uint8_t all, reader.byte());
  std::vector<bool> defined(count, all != 0);
  if (all == 0) {
    TRY_ASSIGN(const std::string_view bits, reader.take((count + 7) / 8));
    for (uint64_t i = 0; i < count; ++i) defined[i] = ((static_cast<uint8_t>(bits[i / 8]) >> (7 - i % 8)) & 1) != 0;
  }
  TRY(reader.take(4 * static_cast<uint64_t>(std::ranges::count(defined, true))));
  return defined;
}

Result<Coder> read_coder(HeaderReader& reader, uint64_t& inputs, uint64_t& outputs) {
  TRY_ASSIGN(const uint8_t flags, reader.byte());
  Coder coder;
  TRY_ASSIGN(coder.id, reader.take(flags & 0x0f));
  uint64_t in = 1, out = 1;
  if ((flags & 0x10) != 0) {
    TRY_ASSIGN(in, reader.number());
    TRY_ASSIGN(out, reader.number());
  }
  if (in > kStreamsMax || out > kStreamsMax) return std::unexpected(broken());
  inputs += in, outputs += out;
  if ((flags & 0x20) != 0) {
    TRY_ASSIGN(const uint64_t size, reader.number());
    TRY_ASSIGN(coder.properties, reader.take(size));
  }
  if ((flags & 0x80) != 0) return std::unexpected(broken());
  return coder;
}

Result<Folder> read_folder(HeaderReader& reader) {
  TRY_ASSIGN(const uint64_t coders, reader.number());
  if (coders == 0 || coders > kCodersMax) return std::unexpected(broken());
  Folder folder;
  uint64_t inputs = 0;
  for (uint64_t i = 0; i < coders; ++i) {
    TRY_ASSIGN(Coder coder, read_coder(reader, inputs, folder.outputs));
    folder.coders.push_back(std::move(coder));
  }
  if (folder.outputs == 0) return std::unexpected(broken());
  const uint64_t bound = folder.outputs - 1;
  for (uint64_t i = 0; i < 2 * bound; ++i) TRY(reader.number());
  if (inputs < bound) return std::unexpected(broken());
  if (inputs - bound > 1) {
    for (uint64_t i = 0; i < inputs - bound; ++i) TRY(reader.number());
  }
  return folder;
}

Result<void> read_pack_info(HeaderReader& reader, Streams& streams) {
  TRY_ASSIGN(streams.pack_offset, reader.number());
  TRY_ASSIGN(const uint64_t count, reader.number());
  if (count > kPacksMax) return std::unexpected(broken());
  for (;;) {
    TRY_ASSIGN(const uint64_t property, reader.number());
    if (property == kEnd) return {};
    if (property == kCrc) {
      TRY(read_digests(reader, count));
      continue;
    }
    if (property != kSizes) return std::unexpected(broken());
    for (uint64_t i = 0; i < count; ++i) {
      TRY_ASSIGN(const uint64_t size, reader.number());
      if (streams.packs++ == 0) streams.first_pack_size = size;
    }
  }
}

Result<void> check_coders(const Folder& folder, Of of) {
  for (const Coder& coder : folder.coders) {
    if (coder.id == kAes && of == Of::kHeader) {
      return std::unexpected(
          archive_encrypted("the 7z archive is encrypted, its list of names included; nothing in it was loaded. Pack it "
                            "without a password"));
    }
    if (coder.memory_bytes() > kSevenZipDictionaryMax) {
      return std::unexpected(archive_too_large(
          fmt::format("the 7z archive needs a dictionary of {} MiB, above the limit of {} MiB; pack it again with a smaller one (7z -mx=9 "
                      "takes 64 MiB)",
                      coder.memory_bytes() / kMiB, kSevenZipDictionaryMax / kMiB)));
    }
  }
  return {};
}

Result<void> read_unpack_info(HeaderReader& reader, Of of, Streams& streams) {
  TRY_ASSIGN(const uint64_t property, reader.number());
  if (property != kFolder) return std::unexpected(broken());
  TRY_ASSIGN(streams.folders, reader.number());
  TRY_ASSIGN(const uint8_t external, reader.byte());
  if (external != 0) return std::unexpected(broken());
  if (streams.folders > kContentsMax) return std::unexpected(too_many(kContentsMax, "members"));
  for (uint64_t i = 0; i < streams.folders; ++i) {
    TRY_ASSIGN(Folder folder, read_folder(reader));
    TRY(check_coders(folder, of));
    streams.outputs += folder.outputs;
    if (i == 0) streams.first_folder = std::move(folder);
  }
  streams.has_crc.resize(streams.folders);
  for (;;) {
    TRY_ASSIGN(const uint64_t next, reader.number());
    if (next == kEnd) return {};
    if (next == kCrc) {
      TRY_ASSIGN(streams.has_crc, read_digests(reader, streams.folders));
      continue;
    }
    if (next != kUnpackSizes) return std::unexpected(broken());
    for (uint64_t i = 0; i < streams.outputs; ++i) {
      TRY_ASSIGN(streams.last_unpack_size, reader.number());
    }
  }
}

/// How members share the folders: passed over, but there may not be too many.
Result<void> pass_sub_streams(HeaderReader& reader, const Streams& streams) {
  std::vector<uint64_t> counts(streams.folders, 1);
  uint64_t all = streams.folders;
  TRY_ASSIGN(uint64_t property, reader.number());
  if (property == kSubStreamCounts) {
    all = 0;
    for (uint64_t& count : counts) {
      TRY_ASSIGN(count, reader.number());
      if (count > kContentsMax - all) return std::unexpected(too_many(kContentsMax, "members"));
      all += count;
    }
    TRY_ASSIGN(property, reader.number());
  }
  if (property == kSizes) {  // the last one of a folder has what is left
    for (const uint64_t count : counts) {
      for (uint64_t i = 1; i < count; ++i) TRY(reader.number());
    }
    TRY_ASSIGN(property, reader.number());
  }
  if (property == kCrc) {
    uint64_t unknown = 0;
    for (size_t i = 0; i < counts.size(); ++i) unknown += counts[i] == 1 && streams.has_crc[i] ? 0 : counts[i];
    TRY(read_digests(reader, unknown));
    TRY_ASSIGN(property, reader.number());
  }
  return property == kEnd ? Result<void>{} : std::unexpected(broken());
}

Result<Streams> read_streams(HeaderReader& reader, Of of) {
  Streams streams;
  for (;;) {
    TRY_ASSIGN(const uint64_t property, reader.number());
    switch (property) {
      case kEnd: return streams;
      case kPackInfo: TRY(read_pack_info(reader, streams)); break;
      case kUnpackInfo: TRY(read_unpack_info(reader, of, streams)); break;
      case kSubStreams: TRY(pass_sub_streams(reader, streams)); break;
      default: return std::unexpected(broken());
    }
  }
}

/// What follows is libarchive's business.
Result<void> check_entries(HeaderReader& reader) {
  TRY_ASSIGN(const uint64_t entries, reader.number());
  return entries > kEntriesMax ? std::unexpected(too_many(kEntriesMax, "members and folders")) : Result<void>{};
}

/// Unpacks a header by its only coder. What cannot be looked into is not handed on.
Result<std::string> unpack_header(const std::string& packed, const Coder& coder, uint64_t size) {
  if (coder.id == kCopy) return packed;
  if (coder.id != kLzma && coder.id != kLzma2) return std::unexpected(broken());
  lzma_filter filters[2] = {{coder.id == kLzma ? LZMA_FILTER_LZMA1 : LZMA_FILTER_LZMA2, nullptr}, {LZMA_VLI_UNKNOWN, nullptr}};
  if (lzma_properties_decode(&filters[0], nullptr, reinterpret_cast<const uint8_t*>(coder.properties.data()), coder.properties.size()) !=
      LZMA_OK) {
    return std::unexpected(broken());
  }
  std::string unpacked(size, '\0');
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_raw_decoder(&stream, filters);
  if (status == LZMA_OK) {
    stream.next_in = reinterpret_cast<const uint8_t*>(packed.data());
    stream.avail_in = packed.size();
    stream.next_out = reinterpret_cast<uint8_t*>(unpacked.data());
    stream.avail_out = unpacked.size();
    status = lzma_code(&stream, LZMA_RUN);
  }
  lzma_end(&stream);
  free(filters[0].options);
  if ((status != LZMA_OK && status != LZMA_STREAM_END) || stream.avail_out != 0) return std::unexpected(broken());
  return unpacked;
}

Result<std::string> read_part(Blob& archive, uint64_t offset, uint64_t size, Context& context) {
  if (size > static_cast<uint64_t>(kSevenZipHeaderBytesMax)) {
    return std::unexpected(archive_too_large(
        fmt::format("the header of the 7z archive has {} bytes, above the limit of {} MiB", size, kSevenZipHeaderBytesMax / kMiB)));
  }
  if (offset > static_cast<uint64_t>(archive.size_bytes())) return std::unexpected(broken());
  auto bytes = read_exactly(archive, static_cast<int64_t>(offset), static_cast<int64_t>(size), context);
  if (!bytes && bytes.error().type.empty() && bytes.error().code == ErrorCode::kInvalidInput) return std::unexpected(broken());
  return bytes;
}

/// The header inside a packed one.
Result<std::string> inner_header(Blob& archive, const Streams& streams, Context& context) {
  if (streams.folders != 1 || streams.packs != 1 || !streams.last_unpack_size) return std::unexpected(broken());
  const uint64_t size = *streams.last_unpack_size;
  if (size > static_cast<uint64_t>(kSevenZipHeaderBytesMax)) {
    return std::unexpected(archive_too_large(
        fmt::format("the header of the 7z archive unpacks to {} bytes, above the limit of {} MiB", size, kSevenZipHeaderBytesMax / kMiB)));
  }
  const uint64_t begin = streams.pack_offset + kSignatureBytes;
  if (begin < streams.pack_offset) return std::unexpected(broken());
  TRY_ASSIGN(const std::string packed, read_part(archive, begin, streams.first_pack_size, context));
  if (streams.first_folder.coders.size() != 1) return std::unexpected(broken());
  return unpack_header(packed, streams.first_folder.coders.front(), size);
}

}  // namespace

Result<void> check_seven_zip(Blob& archive, Context& context) {
  TRY_ASSIGN(const std::string signature, read_part(archive, 0, kSignatureBytes, context));
  const Coder numbers{"", signature};
  const auto offset = static_cast<uint64_t>(numbers.little_endian(12, 8)), size = static_cast<uint64_t>(numbers.little_endian(20, 8));
  if (size == 0) return {};  // no members
  if (offset > static_cast<uint64_t>(archive.size_bytes())) return std::unexpected(broken());
  TRY_ASSIGN(std::string header, read_part(archive, offset + kSignatureBytes, size, context));
  for (int depth = 0; depth < kHeadersMax; ++depth) {
    HeaderReader reader(header);
    TRY_ASSIGN(uint64_t property, reader.number());
    if (property == kEncodedHeader) {
      TRY_ASSIGN(const Streams streams, read_streams(reader, Of::kHeader));
      TRY_ASSIGN(header, inner_header(archive, streams, context));
      continue;
    }
    if (property != kHeader) return std::unexpected(broken());
    TRY_ASSIGN(property, reader.number());
    if (property == kMainStreams) {
      TRY(read_streams(reader, Of::kContent));
      TRY_ASSIGN(property, reader.number());
    }
    if (property == kFiles) return check_entries(reader);
    return property == kEnd ? Result<void>{} : std::unexpected(broken());
  }
  return std::unexpected(broken());
}

}  // namespace sluice
