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

/// A value in a message takes so many bytes at most.
inline constexpr size_t kShownBytesMax = 60;

/// A value's text for a message: whole, or its beginning (no half character) and "...". Bytes that are no UTF-8 are not shown.
std::string shown_text(std::string_view text);
/// The same in quotes.
std::string quoted_text(std::string_view text);

}  // namespace sluice
