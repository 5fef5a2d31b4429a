// UTF-8 in names of files. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;   ///< in bytes
  bool valid = false;  ///< false: `value` is the one byte at this place
};

/// The code point at `at` (which must be below text.size()); a byte that starts none stands for itself.
CodePoint code_point_at(std::string_view text, size_t at);

bool is_utf8(std::string_view text);

}  // namespace sluice
