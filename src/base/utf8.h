// UTF-8 as bytes. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

/// Appends one code point (at most 0x10FFFF).
void append_utf8(uint32_t code, std::string& out);

}  // namespace sluice
