// How the bytes of a text file stand for characters. Values only.
#pragma once

#include <optional>
#include <string_view>

namespace sluice {

enum class TextEncoding {
  kAuto,  ///< found in each file
  kUtf8,
  kUtf16,  ///< in the order of bytes that the file's mark or content says
  kUtf16le,
  kUtf16be,
  kLatin1,
  kWindows1252,
};

std::string_view to_string(TextEncoding encoding);  ///< "auto", "utf-8", "utf-16le", "windows-1252", ...
std::optional<TextEncoding> parse_text_encoding(std::string_view text);

}  // namespace sluice
