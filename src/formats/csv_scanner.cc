// How it is fast: 64 bytes at a time become a bit mask of the characters that matter (delimiter, quote, CR, LF); the scanner steps from
// set bit to set bit. Fields are views into the buffer, only those with doubled quotes are copied. A record that the buffer cuts is
// scanned again once more bytes are there: about one record a block.
#include "formats/csv_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kBlockBytes = 64;

struct BlockMasks {
  uint64_t specials = 0;
  bool has_high = false;
};

#if defined(__SSE2__)
BlockMasks masks_of(const char* block, char delimiter, char quote) {
  const __m128i delimiters = _mm_set1_epi8(delimiter), quotes = _mm_set1_epi8(quote);
  const __m128i line_feeds = _mm_set1_epi8('\n'), carriage_returns = _mm_set1_epi8('\r');
  BlockMasks masks;
  __m128i all = _mm_setzero_si128();
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
    all = _mm_or_si128(all, bytes);
    const __m128i fields = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiters), _mm_cmpeq_epi8(bytes, quotes));
    const __m128i lines = _mm_or_si128(_mm_cmpeq_epi8(bytes, line_feeds), _mm_cmpeq_epi8(bytes, carriage_returns));
    const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(fields, lines)));
    masks.specials |= static_cast<uint64_t>(bits) << (16 * i);
  }
  masks.has_high = _mm_movemask_epi8(all) != 0;
  return masks;
}
#else
BlockMasks masks_of(const char* block, char delimiter, char quote) {
  BlockMasks masks;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const char c = block[i];
    masks.specials |= static_cast<uint64_t>(c == delimiter || c == quote || c == '\n' || c == '\r') << i;
    masks.has_high |= (c & 0x80) != 0;
  }
  return masks;
}
#endif

/// Offset of the first byte that begins no valid UTF-8 sequence; text.size() where all do.
size_t first_invalid_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (i + length > text.size() || !simdjson::validate_utf8(text.data() + i, length)) return i;
    i += length;
  }
  return i;
}

bool has_high(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; });
}

/// An odd number of escapes stands before `quote`.
bool is_escaped(const char* begin, const char* quote, char escape) {
  const char* first = quote;
  while (first != begin && first[-1] == escape) --first;
  return (quote - first) % 2 != 0;
}

}  // namespace

Result<void> CsvDialect::check() const {
  const auto usable = [](char c) { return c != '\n' && c != '\r' && (c & 0x80) == 0; };
  if (!usable(delimiter) || delimiter == '\0') return invalid_input("the CSV delimiter must be one ASCII character and no line end");
  if (!usable(quote)) return invalid_input("the CSV quote must be one ASCII character and no line end");
  if (quote == delimiter) return invalid_input("the CSV delimiter and the quote must differ");
  if (!usable(escape) || (escape != '\0' && escape == delimiter)) {
    return invalid_input("the CSV escape must be one ASCII character, no line end and not the delimiter");
  }
  if (!usable(comment) || (comment != '\0' && (comment == delimiter || comment == quote))) {
    return invalid_input("the CSV comment must be one ASCII character, no line end, not the delimiter and not the quote");
  }
  return {};
}

CsvScanner::CsvScanner(std::unique_ptr<ByteSource> source, CsvDialect dialect, CsvScanLimits limits)
    : source_(std::move(source)),
      dialect_(dialect),
      limits_(limits),
      masked_quote_(dialect.quote == '\0' ? dialect.delimiter : dialect.quote),
      buffer_(limits.block_bytes + kBlockBytes),
      encoding_(dialect.encoding) {
  record_ = end_ = block_ = anchor_ = buffer_.data();
}

inline const char* CsvScanner::next_special() {
  while (specials_ == 0) {
    if (end_ - block_ <= static_cast<ptrdiff_t>(kBlockBytes)) return end_;
    load_block(block_ + kBlockBytes);
  }
  const char* special = block_ + std::countr_zero(specials_);
  specials_ &= specials_ - 1;
  return special;
}

inline void CsvScanner::load_block(const char* block) {
  const BlockMasks masks = masks_of(block, dialect_.delimiter, masked_quote_);
  block_ = block;
  specials_ = masks.specials;
  block_has_high_ = masks.has_high;
  record_has_high_ |= masks.has_high;
  const auto left = static_cast<size_t>(end_ - block);
  if (left < kBlockBytes) specials_ &= (uint64_t{1} << left) - 1;
}

inline void CsvScanner::keep(const char* begin, const char* end, bool quoted) {
  ++count_;
  if (kept_ < fields_.size()) {
    fields_[kept_++] = {{begin, end}, quoted};
  } else if (kept_ < kCsvFieldsMax) {
    fields_.push_back({{begin, end}, quoted});
    ++kept_;
  }
}

Result<bool> CsvScanner::next(Context& context) {
  if (!begun_) {
    TRY(begin(context));
    begun_ = true;
  }
  for (;;) {
    switch (scan_record()) {
      case Step::kRecord: return true;
      case Step::kEnd: return false;
      case Step::kMore: TRY(refill(context)); break;
      case Step::kTooLarge: return std::unexpected(too_large_error());
      case Step::kOpenQuote: return std::unexpected(open_quote_error());
      case Step::kPassed: break;
    }
  }
}

/// kPassed: a line was passed over that could have been a record.
CsvScanner::Step CsvScanner::scan_record() {
  open_quote_ = nullptr;
  if (const Step passed = pass_lines_without_records(); passed != Step::kPassed) return passed;
  if (record_ == end_) return source_ended_ ? Step::kEnd : Step::kMore;
  const bool may_be_comment = is_at_comment();
  const Step step = cut_record();
  if (!may_be_comment) [[likely]]
    return step;
  // A quote in prose is none: what it would hold are the lines behind.
  const bool in_quotes = step == Step::kOpenQuote || (step == Step::kEnd && open_quote_ != nullptr);
  if (step != Step::kPassed && !in_quotes) return step;
  load_block(record_);
  return pass_line();
}

CsvScanner::Step CsvScanner::cut_record() {
  kept_ = count_ = 0;
  newlines_in_quotes_ = 0;
  escaped_.clear();
  problem_.reason.clear();
  record_has_high_ = block_has_high_;

  for (const char* field = record_;;) {
    const char* special = next_special();
    if (special != end_ && *special == dialect_.quote) {
      if (special == field) {
        const QuotedEnd quoted = scan_quoted(field);
        if (quoted.closed == nullptr) return source_ended_ ? end_in_quotes() : Step::kMore;
        if (quoted.escaped) escaped_.push_back(kept_);
        keep(field + 1, quoted.closed, true);
        special = quoted.next;
      } else {
        report("a quote inside an unquoted field", special);
        special = skip_quotes(special);
        keep(field, special, false);
      }
    } else {
      keep(field, special, false);
    }
    if (special == end_) {
      if (!source_ended_) return Step::kMore;
      return limits_.is_sample ? Step::kEnd : end_record(end_, end_);
    }
    if (*special == dialect_.delimiter) {
      field = special + 1;
      continue;
    }
    const char* next = special + 1;
    if (*special == '\r') {
      if (next == end_ && !source_ended_) return Step::kMore;  // the line feed that belongs to it may follow
      if (next != end_ && *next == '\n') {
        next_special();
        ++next;
      }
    }
    return end_record(special, next);
  }
}

/// kPassed, or why it went no further.
inline CsvScanner::Step CsvScanner::pass_lines_without_records() {
  if (!pass_blank_lines()) return Step::kMore;
  while (is_at_comment() && (dialect_.row_fields == 0 || !has_records_)) {
    if (const Step step = pass_line(); step != Step::kPassed) return step;
    if (!pass_blank_lines()) return Step::kMore;
  }
  return Step::kPassed;
}

/// Passes to behind the line's end, whatever the line holds. kMore: the buffer ends first.
CsvScanner::Step CsvScanner::pass_line() {
  const char* special = next_special();
  while (special != end_ && *special != '\n' && *special != '\r') special = next_special();
  if (special == end_ && !source_ended_) return Step::kMore;
  // The buffer never holds more than a record at its limit: which lines are passed must not depend on how much was read at once.
  if (static_cast<size_t>(special - record_) > limits_.record_bytes_max) return Step::kTooLarge;
  if (special == end_) {
    record_ = end_;
    return Step::kPassed;
  }
  if (*special == '\r') {
    if (special + 1 == end_ && !source_ended_) return Step::kMore;
    if (special + 1 != end_ && special[1] == '\n') special = next_special();
  }
  record_ = special + 1;
  ++next_line_;
  return Step::kPassed;
}

/// False: a CR at the end of the buffer, which a line feed may follow.
bool CsvScanner::pass_blank_lines() {
  while (record_ < end_ && (*record_ == '\n' || *record_ == '\r')) {
    if (*record_ == '\r') {
      if (record_ + 1 == end_ && !source_ended_) return false;
      if (record_ + 1 < end_ && record_[1] == '\n') {
        next_special();
        ++record_;
      }
    }
    next_special();
    ++record_;
    ++next_line_;
  }
  return true;
}

CsvScanner::QuotedEnd CsvScanner::scan_quoted(const char* open) {
  open_quote_ = open;
  open_quote_line_ = next_line_ + newlines_in_quotes_;
  bool escaped = false;
  const char* closed = nullptr;
  while (closed == nullptr) {
    const char* special = next_special();
    if (special == end_) return {};
    const char* next = special + 1;
    if (*special == dialect_.quote) {
      if (dialect_.escape != '\0' && is_escaped(open + 1, special, dialect_.escape)) {
        escaped = true;
        continue;
      }
      if (next == end_ && !source_ended_) return {};
      if (next != end_ && *next == dialect_.quote) {
        next_special();
        escaped = true;
      } else {
        closed = special;
      }
    } else if (*special == '\n' || (*special == '\r' && (next == end_ || *next != '\n'))) {
      ++newlines_in_quotes_;
    }
  }
  open_quote_ = nullptr;
  // An escape may also stand before another escape.
  if (dialect_.escape != '\0') escaped |= std::string_view(open + 1, closed).contains(dialect_.escape);
  if (closed + 1 == end_) return {closed, end_, escaped};
  const char* next = next_special();
  if (next != closed + 1) {
    report("text after a closing quote", closed + 1);
    next = skip_quotes(next);
  }
  return {closed, next, escaped};
}

const char* CsvScanner::skip_quotes(const char* special) {
  while (special != end_ && *special == dialect_.quote) special = next_special();
  return special;
}

CsvScanner::Step CsvScanner::end_record(const char* end, const char* next) {
  raw_ = {record_, end};
  if (raw_.size() > limits_.record_bytes_max) return Step::kTooLarge;
  if (is_at_comment()) [[unlikely]] {
    if (count_ != dialect_.row_fields) return Step::kPassed;
    report("it begins like a comment, but has as many fields as a row; --comment says which it is", record_);
  }
  byte_ = byte_of(record_);
  line_ = next_line_;
  if (is_utf16(dialect_.encoding)) [[unlikely]] {
    anchor_ = record_;
    anchor_byte_ = byte_;
  }
  if (!escaped_.empty()) unescape_fields();
  if (record_has_high_) check_encoding();
  next_line_ += 1 + newlines_in_quotes_;
  record_ = next;
  has_records_ = true;
  return Step::kRecord;
}

CsvScanner::Step CsvScanner::end_in_quotes() {
  if (limits_.is_sample) return Step::kEnd;
  // Whether the end or the limit is met first must not depend on how much was read at once.
  return holds_too_much() ? Step::kTooLarge : Step::kOpenQuote;
}

void CsvScanner::report(const char* reason, const char* at) {
  if (problem_.reason.empty()) problem_ = {reason, byte_of(at)};
}

void CsvScanner::check_encoding() {
  if (is_single_byte(encoding_)) return decode_fields();
  const bool valid = simdjson::validate_utf8(raw_.data(), raw_.size());
  if (encoding_ == TextEncoding::kAuto && has_high(raw_)) {
    // Whether a block has high bytes depends on where it began; what the record is must not.
    encoding_ = !valid && is_windows_1252(raw_) ? TextEncoding::kWindows1252 : TextEncoding::kUtf8;
    if (is_single_byte(encoding_)) return decode_fields();
  }
  if (!valid) report("invalid UTF-8", raw_.data() + first_invalid_utf8(raw_));
}

void CsvScanner::decode_fields() {
  if (encoding_ == TextEncoding::kWindows1252) {
    decoded_.clear();
    const size_t unused = append_single_byte(encoding_, raw_, decoded_);
    if (unused < raw_.size()) report("a byte that windows-1252 does not have", raw_.data() + unused);
  }
  size_t bytes = 0;
  for (const CsvField& field : fields()) bytes += field.text.size();
  decoded_.clear();
  decoded_.reserve(3 * bytes);  // so that the views below stay where they are
  for (CsvField& field : std::span(fields_.data(), kept_)) {
    if (!has_high(field.text)) continue;
    const size_t begin = decoded_.size();
    append_single_byte(encoding_, field.text, decoded_);
    field.text = std::string_view(decoded_).substr(begin);
  }
}

std::string CsvScanner::raw_text(size_t bytes_max) const {
  const std::string_view raw = raw_.substr(0, bytes_max);
  if (!is_single_byte(encoding_)) return std::string(raw);
  std::string text;
  append_single_byte(encoding_, raw, text);
  return text;
}

void CsvScanner::unescape_fields() {
  size_t bytes = 0;
  for (const size_t i : escaped_) bytes += i < kept_ ? fields_[i].text.size() : 0;
  unescaped_.clear();
  unescaped_.reserve(bytes);  // so that the views below stay where they are
  for (const size_t i : escaped_) {
    if (i >= kept_) break;
    const size_t begin = unescaped_.size();
    append_unescaped(fields_[i].text);
    fields_[i].text = std::string_view(unescaped_).substr(begin);
  }
}

void CsvScanner::append_unescaped(std::string_view field) {
  if (dialect_.escape == '\0') {
    for (size_t quote; (quote = field.find(dialect_.quote)) != std::string_view::npos; field.remove_prefix(quote + 2)) {
      unescaped_.append(field, 0, quote + 1);
    }
    unescaped_.append(field);
    return;
  }
  const auto may_be_escaped = [&](char c) { return c == dialect_.quote || c == dialect_.escape; };
  for (size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    const bool escapes = i + 1 < field.size() && (c == dialect_.escape ? may_be_escaped(field[i + 1]) : c == dialect_.quote);
    unescaped_ += escapes ? field[++i] : c;
  }
}

Result<void> CsvScanner::refill(Context& context) {
  if (holds_too_much()) return std::unexpected(too_large_error());
  if (is_utf16(dialect_.encoding)) anchor_byte_ = byte_of(record_);
  const auto in_hand = static_cast<size_t>(end_ - record_);
  std::memmove(buffer_.data(), record_, in_hand);
  buffer_byte_ += record_ - buffer_.data();
  size_t capacity = buffer_.size() - kBlockBytes;
  if (in_hand > capacity / 2) {
    capacity = std::min(2 * capacity, limits_.record_bytes_max + 2 + limits_.block_bytes);
    buffer_.resize(capacity + kBlockBytes);
  }
  const std::span<char> free(buffer_.data() + in_hand, capacity - in_hand);
  record_ = anchor_ = buffer_.data();
  end_ = record_ + in_hand;
  TRY(context.check());
  TRY_ASSIGN(const size_t count, source_->read(free, context));
  source_ended_ = count < free.size();
  end_ += count;
  load_block(record_);
  return {};
}

Result<void> CsvScanner::begin(Context& context) {
  TRY(pass_byte_order_mark(context));
  for (int64_t passed = 0; passed < dialect_.skip_lines;) {
    if (record_ == end_ && source_ended_) break;
    const Step step = pass_line();
    if (step == Step::kTooLarge) return std::unexpected(too_large_error());
    if (step == Step::kMore) TRY(refill(context));
    passed += step == Step::kPassed;
  }
  return {};
}

Result<void> CsvScanner::pass_byte_order_mark(Context& context) {
  constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";
  while (end_ - record_ < static_cast<ptrdiff_t>(kUtf8Mark.size()) && !source_ended_) TRY(refill(context));
  const std::string_view head(record_, end_);
  if (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff")) {
    return std::unexpected(Error{ErrorCode::kInvalidInput,
                                 "line 1: the file is UTF-16 by its first bytes, but is read as another encoding (byte 0)",
                                 std::string(error_type::kParseError), 1, 0});
  }
  if (head.starts_with(kUtf8Mark)) record_ += kUtf8Mark.size();
  return {};
}

Error CsvScanner::open_quote_error() const {
  const int64_t byte = byte_of(open_quote_);
  return {ErrorCode::kInvalidInput, fmt::format("line {}: the quote that opens here is never closed (byte {})", open_quote_line_, byte),
          std::string(error_type::kParseError), open_quote_line_, byte};
}

Error CsvScanner::too_large_error() const {
  const int64_t byte = byte_of(record_);
  std::string message = fmt::format("line {}: a record above {} bytes (byte {})", next_line_, limits_.record_bytes_max, byte);
  if (open_quote_ != nullptr) message += fmt::format("; the quote that opens in line {} may not be closed", open_quote_line_);
  return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kTooLarge), next_line_, byte};
}

}  // namespace sluice
