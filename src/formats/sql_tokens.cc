#include "formats/sql_tokens.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "formats/format.h"
#include "formats/sql_extract.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kExecutedCommentBytesMax = 4 * kKiB;  ///< of SET statements in comments, until somebody asks
constexpr size_t kDollarTagBytesMax = SqlText::kAheadMax - 2;
constexpr size_t kPlaceLineBytesMax = 100;

int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

bool is_blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

DumpDialect guess_sql_dialect(std::string_view head) {
  if (const auto said = sql_extract_dialect(head)) return *said;
  if (contains_any(head, {"-- PostgreSQL database", "standard_conforming_strings", "FROM stdin;", "pg_catalog."}))
    return DumpDialect::kPostgresql;
  if (contains_any(head, {"-- MySQL dump", "-- MariaDB dump", "/*!40", "/*!50", "/*M!", "ENGINE="})) return DumpDialect::kMysql;
  if (contains_any(head, {"PRAGMA foreign_keys", "BEGIN TRANSACTION;", "sqlite_"})) return DumpDialect::kSqlite;
  if (head.find('`') != std::string_view::npos) return DumpDialect::kMysql;
  return DumpDialect::kAuto;
}

bool SqlToken::is_word(std::string_view upper_case) const {
  return kind == SqlTokenKind::kWord && std::ranges::equal(text, upper_case, [](unsigned char a, char b) { return std::toupper(a) == b; });
}

bool is_any(const SqlToken& token, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return token.is_word(word); });
}

SqlTokens::SqlTokens(std::unique_ptr<ByteSource> source, DumpDialect dialect, size_t block_bytes)
    : text_(std::move(source), block_bytes), dialect_(dialect) {}

DumpDialect SqlTokens::dialect() {
  if (!begun_) {
    begun_ = true;
    const std::string_view head = text_.head();
    is_extract_ = sql_extract_dialect(head).has_value();
    if (dialect_ == DumpDialect::kAuto) dialect_ = guess_sql_dialect(head);
  }
  return dialect_;
}

const SqlToken& SqlTokens::done(SqlTokenKind kind) {
  token_.kind = text_.failure() ? SqlTokenKind::kEnd : kind;
  token_.text = value_;
  return token_;
}

const SqlToken& SqlTokens::next() {
  value_.clear();
  dialect();
  const bool more = pass_blanks();
  token_.line = text_.line();
  token_.byte = text_.byte();
  token_.begins_line = text_.begins_line();
  if (capture_bytes_max_ > 0) text_.begin_capture(std::exchange(capture_bytes_max_, 0));
  if (!more) return done(SqlTokenKind::kEnd);
  if (text_.starts_with(delimiter_)) {
    text_.skip(delimiter_.size());
    value_ = delimiter_;
    return done(SqlTokenKind::kTerminator);
  }
  const int c = text_.peek();
  switch (c) {
    case '\'': read_quoted(SqlTokenKind::kString, '\'', string_escapes()); return token_;
    case '"': read_quoted(SqlTokenKind::kName, '"', dialect_ == DumpDialect::kMysql ? Escapes::kBackslash : Escapes::kNone); return token_;
    case '`': read_quoted(SqlTokenKind::kName, '`', Escapes::kNone); return token_;
    case '[':
      if (dialect_ == DumpDialect::kPostgresql) break;
      read_quoted(SqlTokenKind::kName, ']', Escapes::kNone);
      return token_;
    case '$':
      if (dialect_ == DumpDialect::kMysql || dialect_ == DumpDialect::kSqlite) break;
      read_dollar_string();
      return token_;
    case '.':
      if (std::isdigit(text_.peek(1))) {
        read_number();
        return token_;
      }
      break;
    default:
      if (std::isdigit(c)) {
        read_number();
        return token_;
      }
      if (is_word_byte(c)) {
        read_word();
        return token_;
      }
  }
  keep(text_.window().substr(0, 1));
  text_.skip(1);
  return done(SqlTokenKind::kSymbol);
}

bool SqlTokens::pass_blanks() {
  for (;;) {
    if (is_at_own_delimiter()) return true;  // may look like a comment: ##
    const std::string_view window = text_.window();
    if (window.empty()) return false;
    size_t blanks = 0;
    while (blanks < window.size() && is_blank(static_cast<unsigned char>(window[blanks]))) ++blanks;
    if (blanks > 0) {
      text_.skip(blanks);
      continue;
    }
    const char c = window[0];
    if (c == '#' && dialect_ == DumpDialect::kMysql) {
      pass_line();
    } else if (c == '-' && text_.peek(1) == '-') {
      // In MySQL 5--2 is a difference: a blank makes the comment.
      const int behind = text_.peek(2);
      if (dialect_ == DumpDialect::kMysql && behind >= 0 && !is_blank(behind)) return true;
      pass_line_comment();
    } else if (c == '/' && text_.peek(1) == '*') {
      pass_comment();
    } else {
      return true;
    }
  }
}

void SqlTokens::pass_line_comment() {
  if (!is_extract_ || !text_.starts_with(kSqlExtractMark)) return pass_line();
  std::string line;
  for (int c = text_.peek(); c >= 0 && c != '\n' && line.size() < kPlaceLineBytesMax; c = text_.peek()) {
    line += static_cast<char>(c);
    text_.skip(1);
  }
  pass_line();
  if (const auto place = parse_sql_place(line)) text_.continue_at(place->line, place->byte);
}

void SqlTokens::pass_line() {
  for (;;) {
    const std::string_view window = text_.window();
    if (window.empty()) return;
    const size_t end = window.find('\n');
    text_.skip(std::min(end, window.size() - 1) + 1);
    if (end != std::string_view::npos) return;
  }
}

void SqlTokens::pass_comment() {
  const int64_t line = text_.line(), byte = text_.byte();
  text_.skip(2);
  const bool executed = text_.peek() == '!' || (text_.peek() == 'M' && text_.peek(1) == '!');
  std::string kept;
  // PostgreSQL nests comments.
  const bool nests = dialect_ == DumpDialect::kPostgresql;
  for (int depth = 1; depth > 0;) {
    const std::string_view window = text_.window();
    if (window.empty()) return text_.fail_at(line, byte, error_type::kParseError, "the comment that begins here is not closed");
    const size_t plain = std::min(window.find_first_of("*/"), window.size());
    if (executed && executed_.size() + kept.size() < kExecutedCommentBytesMax) kept += window.substr(0, plain);
    if (plain > 0) {
      text_.skip(plain);
      continue;
    }
    if (text_.starts_with("*/")) {
      text_.skip(2);
      --depth;
    } else if (nests && text_.starts_with("/*")) {
      text_.skip(2);
      ++depth;
    } else {
      text_.skip(1);
    }
  }
  if (kept.find("SET ") != std::string::npos) executed_ += kept + "\n";
}

/// Of the bytes in hand, those that belong to the word.
size_t SqlTokens::word_length() {
  // Byte by byte, as an own delimiter may begin within the word and lie across two windows.
  if (has_own_delimiter()) return is_word_byte(text_.peek()) && !is_at_own_delimiter() ? 1 : 0;
  const std::string_view window = text_.window();
  size_t length = 0;
  while (length < window.size() && is_word_byte(static_cast<unsigned char>(window[length]))) ++length;
  return length;
}

void SqlTokens::read_word() {
  const char first = static_cast<char>(std::toupper(text_.peek()));
  if (text_.peek(1) == '\'') {  // a prefix of a literal
    if (first == 'X') {
      text_.skip(1);
      read_quoted(SqlTokenKind::kBytes, '\'', Escapes::kNone);
      return decode_hex();
    }
    if (first == 'B') {
      text_.skip(1);
      read_quoted(SqlTokenKind::kBits, '\'', Escapes::kNone);
      return decode_bits();
    }
    if (first == 'E' || first == 'N') {
      text_.skip(1);
      return read_quoted(SqlTokenKind::kString, '\'', first == 'E' ? Escapes::kBackslash : string_escapes());
    }
  }
  while (const size_t length = word_length()) {
    keep(text_.window().substr(0, length));
    text_.skip(length);
  }
  done(SqlTokenKind::kWord);
}

void SqlTokens::read_number() {
  const bool hex = text_.peek() == '0' && (text_.peek(1) | 0x20) == 'x' && dialect_ == DumpDialect::kMysql;
  if (hex) text_.skip(2);
  for (int c = text_.peek(); (is_word_byte(c) || c == '.') && !is_at_own_delimiter(); c = text_.peek()) {
    const auto digit = static_cast<char>(c);
    keep({&digit, 1});
    text_.skip(1);
    const int sign = text_.peek();
    if (!hex && (c == 'e' || c == 'E') && (sign == '+' || sign == '-')) {
      keep(text_.window().substr(0, 1));
      text_.skip(1);
    }
  }
  done(hex ? SqlTokenKind::kBytes : SqlTokenKind::kNumber);
  if (hex) decode_hex();
}

void SqlTokens::read_dollar_string() {
  std::string tag = "$";
  size_t ahead = 1;
  for (int c = text_.peek(ahead); c != '$'; c = text_.peek(++ahead)) {
    if (!is_word_byte(c) || ahead > kDollarTagBytesMax) {
      text_.skip(1);
      value_ = "$";
      done(SqlTokenKind::kSymbol);
      return;
    }
    tag += static_cast<char>(c);
  }
  tag += '$';
  text_.skip(tag.size());
  while (!text_.starts_with(tag)) {
    const std::string_view window = text_.window();
    if (window.empty()) return fail("the text that begins here is not closed");
    const size_t plain = window[0] == '$' ? 1 : std::min(window.find('$'), window.size());
    keep(window.substr(0, plain));
    text_.skip(plain);
  }
  text_.skip(tag.size());
  done(SqlTokenKind::kString);
}

SqlTokens::Escapes SqlTokens::string_escapes() {
  switch (dialect_) {
    case DumpDialect::kMysql: return Escapes::kBackslash;
    case DumpDialect::kPostgresql: return backslash_escapes_ ? Escapes::kBackslash : Escapes::kNone;
    case DumpDialect::kSqlite: return Escapes::kNone;
    case DumpDialect::kAuto: return Escapes::kUnknown;
  }
  return Escapes::kNone;
}

void SqlTokens::read_quoted(SqlTokenKind kind, char close, Escapes escapes) {
  text_.skip(1);
  const std::array<char, 2> specials = {close, '\\'};
  const std::string_view stops(specials.data(), escapes == Escapes::kNone ? 1 : 2);
  for (;;) {
    const std::string_view window = text_.window();
    if (window.empty())
      return fail(kind == SqlTokenKind::kString ? "the string that begins here is not closed" : "the quote that opens here is not closed");
    const size_t plain = std::min(window.find_first_of(stops), window.size());
    keep(window.substr(0, plain));
    const char stop = plain < window.size() ? window[plain] : '\0';
    const bool stopped = plain < window.size();
    text_.skip(plain);
    if (!stopped) continue;
    text_.skip(1);
    if (stop == close) {
      if (text_.peek() != close || close == ']') break;
      keep({&close, 1});  // doubled
      text_.skip(1);
    } else if (escapes == Escapes::kUnknown) {
      return fail("a string holds a backslash, and nothing tells which database wrote the dump; say it with --sql-dialect");
    } else {
      read_escape();
    }
  }
  done(kind);
}

void SqlTokens::read_escape() {
  const int c = text_.peek();
  if (c < 0) return;
  const auto byte = static_cast<char>(c);
  text_.skip(1);
  switch (byte) {
    case 'n': return keep("\n");
    case 't': return keep("\t");
    case 'r': return keep("\r");
    case 'b': return keep("\b");
    default: break;
  }
  if (dialect_ == DumpDialect::kMysql) {
    if (byte == '0') return keep({"\0", 1});
    if (byte == 'Z') return keep("\x1a");
    if (byte == '%' || byte == '_') keep("\\");
    return keep({&byte, 1});
  }
  if (byte == 'f') return keep("\f");
  const bool is_hex = byte == 'x', is_unicode = byte == 'u' || byte == 'U';
  uint32_t code = 0;
  if (is_hex || is_unicode) {
    const int digits_max = is_hex ? 2 : (byte == 'u' ? 4 : 8);
    int digits = 0;
    for (int digit; digits < digits_max && (digit = hex_digit(text_.peek())) >= 0; ++digits, text_.skip(1))
      code = code * 16 + static_cast<uint32_t>(digit);
    if (digits == 0 || (is_unicode && (digits < digits_max || code > 0x10FFFF)))
      return fail(fmt::format("the escape \\{} in the string that begins here has no such digits", byte));
    if (is_unicode) return append_utf8(code, value_);
    const auto value = static_cast<char>(code);
    return keep({&value, 1});
  }
  if (byte >= '0' && byte <= '7') {
    code = static_cast<uint32_t>(byte - '0');
    for (int digits = 1; digits < 3 && text_.peek() >= '0' && text_.peek() <= '7'; ++digits, text_.skip(1))
      code = code * 8 + static_cast<uint32_t>(text_.peek() - '0');
    const auto value = static_cast<char>(code);
    return keep({&value, 1});
  }
  keep({&byte, 1});
}

void SqlTokens::decode_hex() {
  if (token_.kind == SqlTokenKind::kEnd) return;
  std::string bytes;
  if (value_.size() % 2 != 0) value_.insert(0, "0");  // MySQL: 0xF is one byte
  for (size_t i = 0; i < value_.size(); i += 2) {
    const int high = hex_digit(value_[i]), low = hex_digit(value_[i + 1]);
    if (high < 0 || low < 0) return fail("the bytes that begin here are not hexadecimal");
    bytes += static_cast<char>(high * 16 + low);
  }
  value_ = std::move(bytes);
  done(SqlTokenKind::kBytes);
}

void SqlTokens::decode_bits() {
  if (token_.kind == SqlTokenKind::kEnd || dialect_ != DumpDialect::kMysql) return;
  const size_t missing = (8 - value_.size() % 8) % 8;
  value_.insert(0, missing, '0');
  std::string bytes;
  for (size_t i = 0; i < value_.size(); i += 8) {
    int byte = 0;
    for (size_t k = i; k < i + 8; ++k) {
      if (value_[k] != '0' && value_[k] != '1') return fail("the bits that begin here are not 0 and 1");
      byte = byte * 2 + (value_[k] - '0');
    }
    bytes += static_cast<char>(byte);
  }
  value_ = std::move(bytes);
  done(SqlTokenKind::kBytes);
}

void SqlTokens::keep(std::string_view bytes) {
  if (value_.size() + bytes.size() > static_cast<size_t>(kRowBytesMax)) {
    text_.fail_at(token_.line, token_.byte, error_type::kTooLarge,
                  fmt::format("a value above the limit of {} MiB begins here", kRowBytesMax / kMiB));
    token_.kind = SqlTokenKind::kEnd;
    return;
  }
  value_.append(bytes);
}

void SqlTokens::fail(const std::string& reason) {
  text_.fail_at(token_.line, token_.byte, error_type::kParseError, reason);
  done(SqlTokenKind::kEnd);
}

std::string SqlTokens::rest_of_line() {
  std::string line;
  for (int c = text_.peek(); c >= 0 && c != '\n'; c = text_.peek()) {
    if (line.size() < kLineBytesMax && c != '\r') line += static_cast<char>(c);
    text_.skip(1);
  }
  return line;
}

}  // namespace sluice
