// JSON text after RFC 8259, read exactly and slowly: says where and why a text is broken, and undoes escapes. Pure, thread-safe.
// Decides what a broken row is called and how a file is laid out; rows on the fast path never come here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

struct JsonFault {
  enum Kind { kBroken, kTooLarge, kEndsEarly } kind = kBroken;
  size_t at = 0;       ///< byte offset in the text
  std::string reason;  ///< "expected ',' or '}'"
};

/// Reads one value from the front of `text`, white space around it included. `end` is set behind the value where there is no fault;
/// what follows is not looked at.
std::optional<JsonFault> read_json_value(std::string_view text, size_t& end);

/// nullopt: `text` is one object and nothing else.
std::optional<JsonFault> find_row_fault(std::string_view text);

/// Appends the characters that the inside of a JSON string (no quotes) stands for. False: a broken escape or half a surrogate pair.
bool unescape_json(std::string_view escaped, std::string& out);

/// The value that begins at `begin` within valid JSON, to its last byte.
std::string_view json_value_at(const char* begin);

/// Whether the whole of `text` is a JSON number.
bool is_json_number(std::string_view text);
/// Of a JSON number: no fraction, no exponent.
bool is_integer_text(std::string_view number);

/// Offset of the first byte that is not part of a valid UTF-8 sequence; npos: none.
size_t find_invalid_utf8(std::string_view text);

inline bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace sluice
