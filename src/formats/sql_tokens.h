// Cuts the text of a SQL dump into tokens, as PostgreSQL, MySQL or SQLite write them. Comments are passed over. Not thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "formats/sql_text.h"
#include "model/ingestion.h"

namespace sluice {

/// Which database wrote a dump, by what its head says; kAuto where nothing does.
DumpDialect guess_sql_dialect(std::string_view head);

enum class SqlTokenKind {
  kEnd,         ///< of the text, or of what could be read (SqlText::failure())
  kTerminator,  ///< ';', or what DELIMITER says
  kWord,        ///< an identifier or keyword without quotes
  kName,        ///< a quoted identifier: "x", `x`, [x]; in MySQL "x" may be a string
  kString,
  kBytes,  ///< X'..', 0x.. (MySQL), b'..' (MySQL): decoded
  kBits,   ///< b'..' of the others: the digits
  kNumber,
  kSymbol,  ///< any other byte
};

struct SqlToken {
  SqlTokenKind kind = SqlTokenKind::kEnd;
  std::string_view text;  ///< decoded, without quotes. Valid until the next token
  int64_t line = 1, byte = 0;
  bool begins_line = false;  ///< nothing stands before it in its line, not even a blank

  bool is(char symbol) const { return kind == SqlTokenKind::kSymbol && text[0] == symbol; }
  bool is_word(std::string_view upper_case) const;  ///< in any case
  bool is_identifier() const { return kind == SqlTokenKind::kWord || kind == SqlTokenKind::kName; }
  bool ends_statement() const { return kind == SqlTokenKind::kEnd || kind == SqlTokenKind::kTerminator; }
};

/// One of these words, in upper case here.
bool is_any(const SqlToken& token, std::initializer_list<std::string_view> words);

class SqlTokens {
 public:
  static constexpr size_t kLineBytesMax = kMiB;

  SqlTokens(std::unique_ptr<ByteSource> source, DumpDialect dialect, size_t block_bytes);

  /// The next token, also token() until the next call. A string that is not closed, one above kRowBytesMax, and a backslash where nothing
  /// tells whether it escapes are failures.
  const SqlToken& next();
  const SqlToken& token() const { return token_; }

  SqlText& text() { return text_; }
  const SqlText& text() const { return text_; }
  /// The capture of text() begins where the next token does.
  void capture_from_next(size_t bytes_max) { capture_bytes_max_ = bytes_max; }
  DumpDialect dialect();  ///< as said, or guessed from the head
  /// The text is one table that was cut out of a dump (sql_extract.h).
  bool is_extract() const { return is_extract_; }
  void set_backslash_escapes(bool escapes) { backslash_escapes_ = escapes; }
  /// The client's DELIMITER: ends a statement wherever it stands outside quotes and comments, in a word too ("END$$").
  void set_delimiter(std::string delimiter) { delimiter_ = std::move(delimiter); }
  bool has_own_delimiter() const { return delimiter_ != ";"; }
  /// A line of its own, as psql's commands and DELIMITER are: from here to its end, at most kLineBytesMax of it.
  std::string rest_of_line();
  /// `SET ...` of the MySQL comments that a server executes, since the last call: /*!40101 SET NAMES utf8 */.
  std::string take_executed_comments() { return std::exchange(executed_, {}); }

 private:
  bool pass_blanks();
  bool is_at_own_delimiter() { return has_own_delimiter() && text_.starts_with(delimiter_); }
  size_t word_length();
  void pass_line_comment();
  void pass_comment();
  void pass_line();
  void read_word();
  void read_number();
  void read_dollar_string();
  enum class Escapes { kNone, kBackslash, kUnknown };
  void read_quoted(SqlTokenKind kind, char close, Escapes escapes);
  void read_escape();
  void decode_hex();
  void decode_bits();
  Escapes string_escapes();
  void keep(std::string_view bytes);
  void fail(const std::string& reason);
  const SqlToken& done(SqlTokenKind kind);

  SqlText text_;
  DumpDialect dialect_;
  bool begun_ = false;
  bool is_extract_ = false;         ///< comments say where its pieces come from
  bool backslash_escapes_ = false;  ///< PostgreSQL: standard_conforming_strings = off
  std::string delimiter_ = ";";
  SqlToken token_;
  std::string value_;
  std::string executed_;
  size_t capture_bytes_max_ = 0;  ///< 0: no capture is to begin
};

/// Part of an identifier without quotes.
inline bool is_word_byte(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
}

}  // namespace sluice
