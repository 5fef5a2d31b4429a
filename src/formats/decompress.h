// Decompression by content: the bytes of a file, inflated while they are read. Fixed buffers, bounded windows. Sources are not thread-safe.
#pragma once

#include <memory>
#include <string_view>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

enum class Compression { kNone, kGzip, kZstd, kBzip2, kXz, kLz4 };

/// "none", "gzip", ...
std::string_view to_string(Compression compression);

/// By the file's first bytes, of which a few are enough.
Compression compression_of(std::string_view head);

/// The same for a blob. Opens the blob for the few bytes it needs; an empty file has none.
Result<Compression> sniff_compression(Blob& blob, Context& context);

/// Opens `range` of the stored bytes. Where it begins at 0 and the file is compressed, the source gives the inflated bytes of all its
/// members, frames or streams; else the stored bytes. A stream that ends early, holds anything but further ones, or fails its checksum
/// is an error (kInvalidInput, "ParseError"; a window, dictionary or inflation above its limit "TooLarge") with `byte` in inflated
/// bytes and the stored byte in its message.
/// A range that ends before the file does is a sample: its source ends quietly with what the range holds.
Result<std::unique_ptr<ByteSource>> open_decompressed(Blob& blob, ByteRange range, Context& context);

}  // namespace sluice
