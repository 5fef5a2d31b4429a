// Cuts a stream of bytes into CSV records and fields after RFC 4180. Knows nothing of columns and types. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "formats/format.h"
#include "formats/text_decoding.h"

namespace sluice {

/// Fields of one record that are kept; further ones are only counted. Bounds what a line of 64 MiB of delimiters costs.
inline constexpr size_t kCsvFieldsMax = 16 * 1024;

struct CsvDialect {
  char delimiter = ',';
  char quote = '"';        ///< '\0': quotes are ordinary characters
  char escape = '\0';      ///< stands before a quote inside quotes, beside the doubled quote; '\0': no character does
  char comment = '\0';     ///< lines that begin with it are passed over; '\0': none are
  size_t row_fields = 0;   ///< the comment sign was found, not given: behind the first record such a line of as many fields is a bad row
  int64_t skip_lines = 0;  ///< lines before the first record
  /// Of the stored bytes. kAuto: ASCII so far; UTF-8, unless the first record that is not is windows-1252. UTF-16 is decoded by the source.
  TextEncoding encoding = TextEncoding::kUtf8;

  /// kInvalidInput where one character could be confused with another, a line end or part of a UTF-8 sequence.
  Result<void> check() const;
};

struct CsvScanLimits {
  size_t block_bytes = kMiB;
  size_t record_bytes_max = kRowBytesMax;
  bool is_sample = false;  ///< the source ends inside a record: that record is dropped, not an error
};

struct CsvField {
  std::string_view text;  ///< without quotes, unescaped
  bool quoted = false;
};

/// What is wrong with a record that was cut all the same.
struct CsvProblem {
  std::string reason;  ///< empty: nothing
  int64_t byte = 0;    ///< in the file, after decompression
};

class CsvScanner {
 public:
  /// `source` holds plain bytes from the file's beginning, UTF-16 as UTF-8; a byte order mark is passed over.
  CsvScanner(std::unique_ptr<ByteSource> source, CsvDialect dialect, CsvScanLimits limits = {});
  CsvScanner(const CsvScanner&) = delete;

  /// Moves to the next record; false at the end. Lines without a character are passed over. Views of the last record die.
  /// Errors: "ParseError" for a quote that is still open at the end and for UTF-16 read as it is, "TooLarge" for a record above the limit
  /// and for a line above it that is passed over, and those of the source.
  Result<bool> next(Context& context);

  std::span<const CsvField> fields() const { return {fields_.data(), kept_}; }
  size_t field_count() const { return count_; }  ///< of the record, also those above kCsvFieldsMax
  std::string_view raw() const { return raw_; }  ///< the record as written, without its line end
  std::string raw_text(size_t bytes_max) const;  ///< the same as UTF-8 as far as it can be, cut
  int64_t line() const { return line_; }         ///< 1-based physical line where the record begins
  int64_t byte() const { return byte_; }         ///< where the record begins
  /// Broken quoting or invalid UTF-8; the record's end is where the next readable line begins.
  const CsvProblem& problem() const { return problem_; }

 private:
  enum class Step { kRecord, kMore, kEnd, kOpenQuote, kTooLarge, kPassed };
  struct QuotedEnd {
    const char* closed;  ///< the closing quote; nullptr: the buffer ends first
    const char* next;    ///< delimiter, line end or end_ behind the field
    bool escaped;        ///< doubled quotes inside
  };

  Step scan_record();
  Step cut_record();
  Step pass_lines_without_records();
  bool is_at_comment() const { return dialect_.comment != '\0' && record_ < end_ && *record_ == dialect_.comment; }
  bool pass_blank_lines();
  Step pass_line();
  QuotedEnd scan_quoted(const char* open);
  const char* skip_quotes(const char* special);
  Step end_record(const char* end, const char* next);
  Step end_in_quotes();
  /// More than a record at its limit and its line end: what is in hand is part of a record above the limit.
  bool holds_too_much() const { return static_cast<size_t>(end_ - record_) > limits_.record_bytes_max + 1; }
  void keep(const char* begin, const char* end, bool quoted);
  void report(const char* reason, const char* at);
  void unescape_fields();
  void append_unescaped(std::string_view field);
  void check_encoding();
  void decode_fields();
  const char* next_special();
  void load_block(const char* block);
  Result<void> refill(Context& context);
  Result<void> begin(Context& context);
  Result<void> pass_byte_order_mark(Context& context);
  Error open_quote_error() const;
  Error too_large_error() const;
  int64_t byte_of(const char* at) const {
    if (is_utf16(dialect_.encoding)) [[unlikely]]
      return anchor_byte_ + utf16_bytes({anchor_, at});
    return buffer_byte_ + (at - buffer_.data());
  }

  const std::unique_ptr<ByteSource> source_;
  const CsvDialect dialect_;
  const CsvScanLimits limits_;
  const char masked_quote_;  ///< the delimiter again where nothing quotes

  std::vector<char> buffer_;      ///< with padding behind end_, so that whole blocks can be loaded
  int64_t buffer_byte_ = 0;       ///< of the file, at the buffer's front
  const char* record_ = nullptr;  ///< where the record in hand begins
  const char* end_ = nullptr;     ///< of the bytes in the buffer
  const char* anchor_ = nullptr;  ///< with UTF-16: a place at or before record_, and the stored byte there
  int64_t anchor_byte_ = 0;
  bool source_ended_ = false, begun_ = false, has_records_ = false;

  const char* block_ = nullptr;  ///< 64 bytes whose special characters are in specials_, those passed cleared
  uint64_t specials_ = 0;
  bool block_has_high_ = false;  ///< a byte above 127 in the block
  bool record_has_high_ = false;

  std::vector<CsvField> fields_;
  std::vector<size_t> escaped_;  ///< positions of fields that hold doubled quotes
  std::string unescaped_, decoded_;
  TextEncoding encoding_;  ///< kAuto: nothing but ASCII so far
  size_t kept_ = 0, count_ = 0;
  std::string_view raw_;
  int64_t line_ = 1, next_line_ = 1, byte_ = 0;
  int64_t newlines_in_quotes_ = 0;
  const char* open_quote_ = nullptr;
  int64_t open_quote_line_ = 0;
  CsvProblem problem_;
};

}  // namespace sluice
