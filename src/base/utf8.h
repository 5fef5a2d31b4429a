// UTF-8 as bytes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

/// Appends one code point (at most 0x10FFFF).
void append_utf8(uint32_t code, std::string& out);

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;   ///< in bytes
  bool valid = false;  ///< false: `value` is the one byte at this place
};

/// The code point at `at` (which must be below text.size()); a byte that starts none stands for itself.
CodePoint code_point_at(std::string_view text, size_t at);

bool is_utf8(std::string_view text);

}  // namespace sluice
