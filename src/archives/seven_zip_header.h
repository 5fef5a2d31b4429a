// What a 7z file asks for before anything of it is unpacked: memory for dictionaries, a header's size. Pure but for reading.
#pragma once

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"

namespace sluice {

inline constexpr int64_t kSevenZipDictionaryMax = 256 * kMiB;  ///< LZMA's dictionary, PPMd's memory; `7z -mx=9` uses 64 MiB
inline constexpr int64_t kSevenZipHeaderBytesMax = 64 * kMiB;  ///< packed or unpacked

/// Refuses a file whose header is broken (BadArchive), encrypted (Encrypted) or asks for more than the limits (TooLarge).
Result<void> check_seven_zip(Blob& archive, Context& context);

}  // namespace sluice
