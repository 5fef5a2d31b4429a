#include "formats/json_text.h"

#include <bitset>
#include <cstdint>

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "formats/format.h"

namespace sluice {
namespace {

std::optional<uint32_t> parse_hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    if (is_digit(c)) {
      value = value * 16 + static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

/// Length of the UTF-8 sequence at the front of `text`; 0: not valid.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool too_high = first == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

/// Reads the escape at the front of `text` (which begins with a backslash). Its length, or 0 where it is broken.
size_t read_escape(std::string_view text, uint32_t& code) {
  if (text.size() < 2) return 0;
  switch (text[1]) {
    case '"': code = '"'; return 2;
    case '\\': code = '\\'; return 2;
    case '/': code = '/'; return 2;
    case 'b': code = '\b'; return 2;
    case 'f': code = '\f'; return 2;
    case 'n': code = '\n'; return 2;
    case 'r': code = '\r'; return 2;
    case 't': code = '\t'; return 2;
    case 'u': break;
    default: return 0;
  }
  const auto high = parse_hex4(text.substr(2));
  if (!high || (*high >= 0xDC00 && *high <= 0xDFFF)) return 0;
  code = *high;
  if (*high < 0xD800 || *high > 0xDBFF) return 6;
  if (text.size() < 12 || text[6] != '\\' || text[7] != 'u') return 0;
  const auto low = parse_hex4(text.substr(8));
  if (!low || *low < 0xDC00 || *low > 0xDFFF) return 0;
  code = 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00);
  return 12;
}

/// Length of the number at the front of `text`; 0: none. Stops where the grammar does.
size_t number_length(std::string_view text) {
  size_t at = 0;
  const auto digit = [&] { return at < text.size() && is_digit(text[at]); };
  const auto is = [&](char c) { return at < text.size() && text[at] == c; };
  if (is('-')) ++at;
  if (!digit()) return 0;
  if (is('0')) {
    ++at;
  } else {
    while (digit()) ++at;
  }
  if (is('.')) {
    ++at;
    if (!digit()) return 0;
    while (digit()) ++at;
  }
  if (is('e') || is('E')) {
    ++at;
    if (is('+') || is('-')) ++at;
    if (!digit()) return 0;
    while (digit()) ++at;
  }
  return at;
}

/// The grammar as a loop over tokens with a stack of brackets: no recursion, so depth is no matter of stack memory.
class ValueReader {
 public:
  explicit ValueReader(std::string_view text) : text_(text) {}

  std::optional<JsonFault> read(size_t& end) {
    for (;;) {
      if (!read_opening()) return fault_;
      if (descended_) continue;
      if (!read_closings()) return fault_;
      if (depth_ == 0) break;
    }
    end = at_;
    return std::nullopt;
  }

 private:
  bool broken(std::string reason, size_t at) {
    fault_ = {JsonFault::kBroken, at, std::move(reason)};
    return false;
  }
  bool ends_early() {
    const std::string_view where = depth_ == 0 ? "where a value was expected" : in_object() ? "inside an object" : "inside an array";
    fault_ = {JsonFault::kEndsEarly, text_.size(), fmt::format("the text ends {}", where)};
    return false;
  }
  bool in_object() const { return is_object_[static_cast<size_t>(depth_ - 1)]; }

  /// Moves to the next byte that is not white space; false: there is none.
  bool skip_space() {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
    return at_ < text_.size();
  }

  /// A scalar, an empty object or array, or one that was opened (descended_) up to where its first value begins.
  bool read_opening() {
    descended_ = false;
    if (!skip_space()) return ends_early();
    const char c = text_[at_];
    if (c != '{' && c != '[') return read_scalar(c);
    if (depth_ == kNestingDepthMax) {
      fault_ = {JsonFault::kTooLarge, at_, fmt::format("nested deeper than {} levels", kNestingDepthMax)};
      return false;
    }
    is_object_[static_cast<size_t>(depth_++)] = c == '{';
    ++at_;
    if (!skip_space()) return ends_early();
    if (text_[at_] == (c == '{' ? '}' : ']')) {
      --depth_;
      ++at_;
      return true;
    }
    descended_ = true;
    return c == '[' || read_key();
  }

  /// What may follow a value: closing brackets, then a comma up to where the next value begins.
  bool read_closings() {
    while (depth_ > 0) {
      if (!skip_space()) return ends_early();
      const char c = text_[at_];
      const char closing = in_object() ? '}' : ']';
      if (c == ',') {
        ++at_;
        return !in_object() || read_key();
      }
      if (c != closing) return broken(fmt::format("expected ',' or '{}'", closing), at_);
      --depth_;
      ++at_;
    }
    return true;
  }

  bool read_key() {
    if (!skip_space()) return ends_early();
    if (text_[at_] != '"') return broken("expected a name in double quotes", at_);
    if (!read_string()) return false;
    if (!skip_space()) return ends_early();
    if (text_[at_] != ':') return broken("expected ':'", at_);
    ++at_;
    return true;
  }

  bool read_scalar(char c) {
    if (c == '"') return read_string();
    if (c == '-' || is_digit(c)) return read_number();
    for (const std::string_view word : {"true", "false", "null"}) {
      const std::string_view rest = text_.substr(at_, word.size());
      if (rest == word && !continues(at_ + word.size())) {
        at_ += word.size();
        return true;
      }
      if (rest.size() < word.size() && word.starts_with(rest)) return ends_early();
    }
    return broken("expected a value", at_);
  }

  /// Whether the byte at `at` would make one token of what stands before it.
  bool continues(size_t at) const {
    if (at >= text_.size()) return false;
    const char c = text_[at];
    return !is_json_space(c) && c != ',' && c != ':' && c != '[' && c != ']' && c != '{' && c != '}' && c != '"';
  }

  bool read_number() {
    const size_t length = number_length(text_.substr(at_));
    if (length == 0 || continues(at_ + length)) return broken("not a JSON number", at_);
    at_ += length;
    return true;
  }

  bool read_string() {
    const size_t begin = at_++;
    while (at_ < text_.size()) {
      const auto c = static_cast<uint8_t>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      size_t length = 1;
      if (c < 0x20) return broken(fmt::format("control character 0x{:02x} in a string must be escaped", c), at_);
      if (c == '\\') {
        uint32_t code = 0;
        length = read_escape(text_.substr(at_), code);
        if (length == 0 && text_.size() - at_ < 12 && text_.find('"', at_ + 2) == std::string_view::npos) break;
        if (length == 0) return broken("broken escape in a string (or half a surrogate pair)", at_);
      } else if (c >= 0x80) {
        length = utf8_length(text_.substr(at_));
        if (length == 0) return broken("invalid UTF-8", at_);
      }
      at_ += length;
    }
    fault_ = {JsonFault::kEndsEarly, text_.size(),
              fmt::format("the text ends inside the string that begins {} bytes before", text_.size() - begin)};
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  bool descended_ = false;
  std::bitset<kNestingDepthMax> is_object_;
  std::optional<JsonFault> fault_;
};

std::string_view kind_of_value(char first) {
  switch (first) {
    case '[': return "an array";
    case '"': return "a string";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return "a number";
  }
}

}  // namespace

std::optional<JsonFault> read_json_value(std::string_view text, size_t& end) { return ValueReader(text).read(end); }

std::optional<JsonFault> find_row_fault(std::string_view text) {
  // Before structure, so that a broken byte is named as such wherever it stands.
  if (const size_t at = find_invalid_utf8(text); at != std::string_view::npos) return JsonFault{JsonFault::kBroken, at, "invalid UTF-8"};
  size_t end = 0;
  if (auto fault = read_json_value(text, end)) return fault;
  size_t begin = 0;
  while (is_json_space(text[begin])) ++begin;
  while (end < text.size() && is_json_space(text[end])) ++end;
  if (end < text.size()) return JsonFault{JsonFault::kBroken, end, "text after the end of the row"};
  if (text[begin] != '{') {
    return JsonFault{JsonFault::kBroken, begin, fmt::format("a row must be an object, this is {}", kind_of_value(text[begin]))};
  }
  return std::nullopt;
}

bool unescape_json(std::string_view escaped, std::string& out) {
  while (!escaped.empty()) {
    const size_t plain = std::min(escaped.find('\\'), escaped.size());
    out.append(escaped.substr(0, plain));
    escaped.remove_prefix(plain);
    if (escaped.empty()) break;
    uint32_t code = 0;
    const size_t length = read_escape(escaped, code);
    if (length == 0) return false;
    append_utf8(code, out);
    escaped.remove_prefix(length);
  }
  return true;
}

std::string_view json_value_at(const char* begin) {
  const char* at = begin;
  int depth = 0;
  do {
    if (*at == '"') {
      for (++at; *at != '"'; ++at) at += *at == '\\';
      ++at;
    } else if (*at == '{' || *at == '[') {
      ++depth;
      ++at;
    } else if (*at == '}' || *at == ']') {
      --depth;
      ++at;
    } else if (depth > 0) {
      ++at;
    } else {
      while (*at == '-' || *at == '+' || *at == '.' || is_digit(*at) || ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z')) ++at;
    }
  } while (depth > 0);
  return {begin, static_cast<size_t>(at - begin)};
}

bool is_json_number(std::string_view text) { return number_length(text) == text.size() && !text.empty(); }

bool is_integer_text(std::string_view number) { return number.find_first_of(".eE") == std::string_view::npos; }

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace sluice
