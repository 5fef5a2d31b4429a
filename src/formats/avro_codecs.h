// What Avro packs its blocks with. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// Inflates a block of codec deflate, snappy, bzip2, xz or zstandard. ParseError; TooLarge above kAvroBlockBytesMax.
Result<std::string> inflate_avro_block(std::string_view codec, std::string_view stored, Context& context);

}  // namespace sluice
