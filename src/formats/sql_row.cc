#include "formats/sql_row.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "formats/format.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int kFunctionDepthMax = 8;

constexpr auto kBytesMax = static_cast<size_t>(kRowBytesMax);

/// Cut where it grows above kBytesMax.
std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  while (!from.empty() && result.size() <= kBytesMax) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    result.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return result.append(text);
}

void fail_as_too_large(SqlTokens& tokens, std::string_view what, int64_t line, int64_t byte) {
  tokens.text().fail_at(line, byte, error_type::kTooLarge, fmt::format("{} of {} MiB begins here", what, kRowBytesMax / kMiB));
}

/// SQLite's unistr(): \XXXX, \uXXXX, \+XXXXXX, \UXXXXXXXX and "\\".
std::optional<std::string> unescaped_unistr(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      result += text[at++];
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    if (text[at] == '\\') {
      result += text[at++];
      continue;
    }
    const size_t digits = text[at] == 'U' ? 8 : text[at] == '+' ? 6 : 4;
    if (text[at] == 'u' || text[at] == 'U' || text[at] == '+') ++at;
    uint32_t code = 0;
    const std::string_view hex = text.substr(std::min(at, text.size()), digits);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    if (error != std::errc() || end != hex.data() + digits || code > 0x10FFFF) return std::nullopt;
    append_utf8(code, result);
    at += digits;
  }
  return result;
}

/// What SQLite's quote() writes of an infinite number, before 3.41 as a word that it does not read itself.
constexpr std::string_view kInfinity = "9.0e+999";
bool is_infinity(const SqlToken& token, DumpDialect dialect) { return dialect == DumpDialect::kSqlite && token.is_word("INF"); }

int octal(char c) { return c >= '0' && c <= '7' ? c - '0' : -1; }

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The escape behind a backslash at `at`; moves `at` behind it.
char copy_escape(std::string_view field, size_t& at) {
  const char c = field[at++];
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: break;
  }
  int value = octal(c);
  if (value >= 0) {
    for (int digits = 1; digits < 3 && at < field.size() && octal(field[at]) >= 0; ++digits) value = value * 8 + octal(field[at++]);
    return static_cast<char>(value);
  }
  if (c == 'x' && at < field.size() && hex(field[at]) >= 0) {
    value = hex(field[at++]);
    if (at < field.size() && hex(field[at]) >= 0) value = value * 16 + hex(field[at++]);
    return static_cast<char>(value);
  }
  return c;
}

}  // namespace

void SqlRow::clear() {
  stored_.clear();
  values_.clear();
  bytes_.clear();
  problem_ = {};
  depth_ = 0;
}

void SqlRow::keep(SqlValueKind kind, std::string_view text) {
  stored_.push_back({kind, bytes_.size(), text.size()});
  bytes_.append(text);
}

void SqlRow::refuse(const SqlToken& token, std::string reason) {
  if (problem_.reason.empty()) problem_ = {std::move(reason), token.line, token.byte};
}

void SqlRow::point_values() {
  values_.reserve(stored_.size());
  for (const Stored& one : stored_) values_.push_back({one.kind, std::string_view(bytes_).substr(one.begin, one.length)});
}

void SqlRow::read_values(SqlTokens& tokens) {
  clear();
  const SqlToken first = tokens.token();
  depth_ = 1;
  tokens.next();
  for (bool more = true; more && problem_.reason.empty();) {
    read_value(tokens);
    const SqlToken& token = tokens.token();
    more = token.is(',');
    if (more) tokens.next();
    if (!more && !token.is(')')) refuse(token, fmt::format("an expression is not understood at {}", quoted_text(token.text)));
    if (stored_.size() > kSqlValuesMax) refuse(first, fmt::format("more than {} values", kSqlValuesMax));
    if (bytes_.size() > kBytesMax) fail_as_too_large(tokens, "a row above the limit", first.line, first.byte);
  }
  if (!problem_.reason.empty()) {
    for (;; tokens.next()) {
      const SqlToken& token = tokens.token();
      if (token.ends_statement()) break;
      depth_ += token.is('(') ? 1 : token.is(')') ? -1 : 0;
      if (depth_ == 0) break;
    }
  }
  point_values();
}

/// Leaves the token behind the value in hand.
void SqlRow::read_value(SqlTokens& tokens) {
  const SqlToken& token = tokens.token();
  switch (token.kind) {
    case SqlTokenKind::kString:
    case SqlTokenKind::kBits: keep(SqlValueKind::kText, token.text); break;
    case SqlTokenKind::kBytes: keep(SqlValueKind::kBytes, token.text); break;
    case SqlTokenKind::kName:
      if (tokens.dialect() != DumpDialect::kMysql) return refuse(token, quoted_text(token.text) + " is a name, not a value");
      keep(SqlValueKind::kText, token.text);
      break;
    case SqlTokenKind::kNumber:
    case SqlTokenKind::kSymbol: return read_number(tokens);
    case SqlTokenKind::kWord: return read_word_value(tokens);
    case SqlTokenKind::kTerminator:
    case SqlTokenKind::kEnd: return refuse(token, "the row that begins here does not end");
  }
  tokens.next();
}

void SqlRow::read_number(SqlTokens& tokens) {
  std::string number;
  if (tokens.token().is('-') || tokens.token().is('+')) {
    if (tokens.token().is('-')) number = "-";
    tokens.next();
  }
  const SqlToken& token = tokens.token();
  if (is_infinity(token, tokens.dialect())) {
    keep(SqlValueKind::kNumber, number + std::string(kInfinity));
    tokens.next();
    return;
  }
  const bool is_number = token.kind == SqlTokenKind::kNumber && token.text.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  if (!is_number) return refuse(token, quoted_text(number + std::string(token.text)) + " is no value");
  number += token.text;
  keep(SqlValueKind::kNumber, number);
  tokens.next();
}

void SqlRow::read_word_value(SqlTokens& tokens) {
  const SqlToken word = tokens.token();
  const std::string name(word.text);
  const auto is = [&](std::string_view upper) { return word.is_word(upper); };
  if (is("NULL")) {
    keep(SqlValueKind::kNull, {});
  } else if (is("DEFAULT")) {
    keep(SqlValueKind::kDefault, {});
  } else if (is("TRUE") || is("FALSE")) {
    keep(SqlValueKind::kBool, is("TRUE") ? "true" : "false");
  } else if (is_infinity(word, tokens.dialect())) {
    keep(SqlValueKind::kNumber, kInfinity);
  } else if (is("_binary") || is("_utf8") || is("_utf8mb4") || is("_utf8mb3") || name == "_binary" || name.starts_with("_utf8")) {
    const SqlToken& literal = tokens.next();
    if (literal.kind != SqlTokenKind::kString && literal.kind != SqlTokenKind::kBytes)
      return refuse(word, fmt::format("no string behind {}", name));
    keep(name == "_binary" || name == "_BINARY" || literal.kind == SqlTokenKind::kBytes ? SqlValueKind::kBytes : SqlValueKind::kText,
         literal.text);
  } else {
    std::string result;
    if (!read_string_function(tokens, result, 0, 0)) return refuse(word, quoted_text(name) + " is an expression, which is not understood");
    keep(SqlValueKind::kText, result);
  }
  tokens.next();
}

/// SQLite writes strings with control characters as replace(), char() and unistr() of others. The function's name is in hand; at the end
/// its ')'. False: another one, or something else in it; the token that is not understood is in hand. A few bytes of it can say gigabytes:
/// the arguments, with the `held` bytes of the functions around it, and the result have the limit of a row.
bool SqlRow::read_string_function(SqlTokens& tokens, std::string& result, int depth, size_t held) {
  const SqlToken& name = tokens.token();
  const int64_t line = name.line, byte = name.byte;
  const auto is_too_large = [&](size_t bytes) {
    if (bytes > kBytesMax) fail_as_too_large(tokens, "a value above the limit", line, byte);
    return bytes > kBytesMax;
  };
  const bool is_replace = name.is_word("REPLACE"), is_char = name.is_word("CHAR"), is_unistr = name.is_word("UNISTR");
  if (!(is_replace || is_char || is_unistr) || depth > kFunctionDepthMax) return false;
  if (!tokens.next().is('(')) return false;
  ++depth_;
  std::vector<std::string> arguments;
  for (;;) {
    const SqlToken& token = tokens.next();
    std::string argument;
    if (token.kind == SqlTokenKind::kString || (is_char && token.kind == SqlTokenKind::kNumber)) {
      argument = token.text;
    } else if (!token.is_identifier() || !read_string_function(tokens, argument, depth + 1, held)) {
      return false;
    }
    held += argument.size();
    if (is_too_large(held)) return false;
    arguments.push_back(std::move(argument));
    const SqlToken& behind = tokens.next();
    if (behind.is(')')) break;
    if (!behind.is(',') || arguments.size() > kSqlValuesMax) return false;
  }
  if (is_replace) {
    if (arguments.size() != 3) return false;
    result = replaced(arguments[0], arguments[1], arguments[2]);
    if (is_too_large(result.size())) return false;
  } else if (is_unistr) {
    auto text = arguments.size() == 1 ? unescaped_unistr(arguments[0]) : std::nullopt;
    if (!text) return false;
    result = *std::move(text);
  } else {
    for (const std::string& argument : arguments) {
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), code);
      if (error != std::errc() || end != argument.data() + argument.size() || code > 0x10FFFF) return false;
      append_utf8(code, result);
    }
  }
  --depth_;
  return true;
}

bool SqlRow::read_copy_line(SqlText& text) {
  clear();
  const int64_t line = text.line(), byte = text.byte();
  if (!read_line(text)) {
    if (!text.failure()) text.fail_at(line, byte, error_type::kParseError, "the data of COPY does not end with \\. : the file is cut off");
    return false;
  }
  if (line_ == "\\.") return false;
  std::string_view rest = line_;
  for (;;) {
    const size_t tab = rest.find('\t');
    take_copy_field(rest.substr(0, tab));
    if (tab == std::string_view::npos) break;
    rest.remove_prefix(tab + 1);
    if (stored_.size() > kSqlValuesMax) {
      problem_ = {fmt::format("more than {} values", kSqlValuesMax), line, byte};
      break;
    }
  }
  point_values();
  return true;
}

/// A line without its end into line_; false: there is none.
bool SqlRow::read_line(SqlText& text) {
  line_.clear();
  const int64_t line = text.line(), byte = text.byte();
  for (bool begun = false;; begun = true) {
    const std::string_view window = text.window();
    if (window.empty()) {
      if (!begun) return false;
      break;
    }
    const size_t end = window.find('\n');
    line_.append(window.substr(0, end));
    text.skip(std::min(end, window.size() - 1) + 1);
    if (line_.size() > static_cast<size_t>(kRowBytesMax)) {
      text.fail_at(line, byte, error_type::kTooLarge, fmt::format("a line above the limit of {} MiB begins here", kRowBytesMax / kMiB));
      return false;
    }
    if (end != std::string_view::npos) break;
  }
  if (line_.ends_with('\r')) line_.pop_back();
  return true;
}

void SqlRow::take_copy_field(std::string_view field) {
  if (field == "\\N") return keep(SqlValueKind::kNull, {});
  if (field.find('\\') == std::string_view::npos) return keep(SqlValueKind::kField, field);
  std::string text;
  for (size_t at = 0; at < field.size();) {
    if (field[at] != '\\' || at + 1 == field.size()) {
      text += field[at++];
    } else {
      text += copy_escape(field, ++at);
    }
  }
  keep(SqlValueKind::kField, text);
}

}  // namespace sluice
