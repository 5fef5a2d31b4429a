#include "model/text_encoding.h"

#include "model/enum_names.h"

namespace sluice {

std::string_view to_string(TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::kAuto: return "auto";
    case TextEncoding::kUtf8: return "utf-8";
    case TextEncoding::kUtf16: return "utf-16";
    case TextEncoding::kUtf16le: return "utf-16le";
    case TextEncoding::kUtf16be: return "utf-16be";
    case TextEncoding::kLatin1: return "latin-1";
    case TextEncoding::kWindows1252: return "windows-1252";
  }
  return "";
}

std::optional<TextEncoding> parse_text_encoding(std::string_view text) {
  using enum TextEncoding;
  return parse_enum(text, {kAuto, kUtf8, kUtf16, kUtf16le, kUtf16be, kLatin1, kWindows1252});
}

}  // namespace sluice
