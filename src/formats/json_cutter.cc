#include "formats/json_cutter.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "formats/decompress.h"
#include "formats/format.h"
#include "formats/json_row.h"
#include "formats/json_text.h"
#include "model/file.h"

namespace sluice {
namespace {

/// Read beyond a range's end in the same request: most last rows end there.
constexpr int64_t kOverrunBytes = 64 * kKiB;
constexpr int64_t kBufferBytesMin = 16 * kKiB;
/// A head that ends within a token looks broken there; a fault this near to its end proves nothing.
constexpr size_t kTokenBytesMax = 16;

/// nullopt: `head` is too short to tell. A fault in the first object says "documents" only where the object went on legally on the next
/// line: a torn first line of NDJSON is followed by '{', where no object can go on.
std::optional<JsonLayout> recognise_layout(std::string_view head, bool is_whole) {
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return is_whole ? std::optional(JsonLayout::kLines) : std::nullopt;
  if (head[first] == '[') return JsonLayout::kDocuments;
  if (head[first] != '{') return JsonLayout::kLines;
  head.remove_prefix(first);
  const size_t line_end = std::min(head.find('\n'), head.size());
  size_t end = 0;
  const auto fault = read_json_value(head, end);
  if (!fault) {
    const size_t next = std::min(head.find_first_not_of(" \t\r", end), head.size());
    if (next == head.size() && !is_whole) return std::nullopt;
    return end > line_end || (next < line_end && head[next] == '{') ? JsonLayout::kDocuments : JsonLayout::kLines;
  }
  if (!is_whole && fault->at + kTokenBytesMax > head.size()) return std::nullopt;
  if (fault->at <= line_end) return JsonLayout::kLines;
  const size_t continued = std::min(head.find_first_not_of(" \t\r\n", line_end), head.size());
  return fault->at > continued ? JsonLayout::kDocuments : JsonLayout::kLines;
}

}  // namespace

Error error_at(std::string_view type, int64_t line, int64_t byte, std::string_view reason) {
  const std::string place = line > 0 ? fmt::format("line {}: ", line) : "";
  return Error{ErrorCode::kInvalidInput, fmt::format("{}{} (byte {})", place, reason, byte), std::string(type), line, byte};
}

Result<RowCutter> RowCutter::open(Blob& blob, ByteRange range, bool sample, int64_t block_bytes, Context& context) {
  RowCutter cutter(&blob, block_bytes);
  // A small file gets a small buffer, with room for one byte more: a read that comes back short has seen the end.
  const int64_t bytes_left = std::max<int64_t>(blob.size_bytes() - range.offset, 0);
  cutter.resize_buffer(static_cast<size_t>(std::min(block_bytes, std::max(bytes_left, kBufferBytesMin) + 1)));
  TRY(cutter.open_source(range, sample, context));
  if (range.offset == 0) {
    TRY(cutter.recognise(context));
  } else {
    TRY(cutter.skip_first_line(context));
  }
  return cutter;
}

Result<RowCutter> RowCutter::over(std::string_view bytes, Context& context) {
  RowCutter cutter(nullptr, kJsonBlockBytes);
  cutter.buffer_ = bytes.data();
  cutter.capacity_ = cutter.end_ = bytes.size();
  cutter.eof_ = true;
  TRY(cutter.recognise(context));
  return cutter;
}

Result<void> RowCutter::open_source(ByteRange range, bool sample, Context& context) {
  const int64_t size = blob_->size_bytes();
  const bool is_whole = range.length < 0 || range.length >= size - range.offset;
  sample_ = sample && !is_whole;
  base_ = range.offset;
  line_ = range.offset == 0 ? 1 : 0;
  if (!is_whole && !sample) {
    TRY_ASSIGN(const Compression compression, range.offset == 0 ? sniff_compression(*blob_, context) : Compression::kNone);
    if (compression == Compression::kNone) {
      last_start_ = range.offset + range.length;
      range.length += kOverrunBytes;
    } else {
      range.length = -1;
    }
  }
  TRY_ASSIGN(source_, open_decompressed(*blob_, range, context));
  return {};
}

Result<void> RowCutter::recognise(Context& context) {
  while (end_ < 3 && !eof_) TRY(fill(context));
  const std::string_view head(buffer_, end_);
  if (head.starts_with("\xEF\xBB\xBF")) {
    begin_ = 3;
    last_start_ = std::max<int64_t>(last_start_, 3);  // the first row is the first range's, though that may end within the mark
  }
  if (head.starts_with("\xFE\xFF") || head.starts_with("\xFF\xFE")) {
    return std::unexpected(error_at(error_type::kParseError, 1, 0, "the file is UTF-16; convert it to UTF-8"));
  }
  for (;;) {
    const std::string_view text(buffer_ + begin_, end_ - begin_);
    const auto layout = recognise_layout(text, eof_);
    if (layout || static_cast<int64_t>(text.size()) > kRowBytesMax) {
      layout_ = layout.value_or(JsonLayout::kLines);
      return {};
    }
    TRY(fill(context));
  }
}

Result<void> RowCutter::skip_first_line(Context& context) {
  for (;;) {
    const void* found = std::memchr(buffer_ + begin_, '\n', end_ - begin_);
    if (found) {
      begin_ = static_cast<size_t>(static_cast<const char*>(found) - buffer_) + 1;
      return {};
    }
    begin_ = end_;
    if (base_ + static_cast<int64_t>(begin_) > last_start_) return {};
    TRY_ASSIGN(const bool more, fill(context));
    if (!more) return {};
  }
}

void RowCutter::resize_buffer(size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity + kJsonPaddingBytes);
  if (end_ > 0) std::memcpy(larger.get(), buffer_, end_);
  std::memset(larger.get() + capacity, 0, kJsonPaddingBytes);
  owned_ = std::move(larger);
  buffer_ = owned_.get();
  capacity_ = capacity;
}

/// Reads on behind end_; false: there is nothing more. Moves what is not yet cut to the front of the buffer.
Result<bool> RowCutter::fill(Context& context) {
  if (eof_) return false;
  TRY(context.check());
  if (begin_ > 0) std::memmove(owned_.get(), owned_.get() + begin_, end_ - begin_);
  base_ += static_cast<int64_t>(begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ == capacity_) resize_buffer(std::min(2 * capacity_, static_cast<size_t>(kRowBytesMax + 2 * block_bytes_)));
  const size_t wanted = capacity_ - end_;
  TRY_ASSIGN(const size_t count, source_->read({owned_.get() + end_, wanted}, context));
  end_ += count;
  if (count == wanted) return true;
  const int64_t position = base_ + static_cast<int64_t>(end_);
  eof_ = last_start_ == std::numeric_limits<int64_t>::max() || position >= blob_->size_bytes();
  if (!eof_) {
    TRY_ASSIGN(source_, blob_->open({position, kOverrunBytes}, context));
  }
  return count > 0 || !eof_;
}

Result<bool> RowCutter::next(RawRow& row, Context& context) {
  row.fault.clear();
  return layout_ == JsonLayout::kLines ? next_line(row, context) : next_document(row, context);
}

Result<bool> RowCutter::next_line(RawRow& row, Context& context) {
  size_t searched = 0;
  for (;;) {
    if (base_ + static_cast<int64_t>(begin_) > last_start_) return finish(context);
    const char* line = buffer_ + begin_;
    const size_t available = end_ - begin_;
    const void* found = std::memchr(line + searched, '\n', available - searched);
    if (!found && static_cast<int64_t>(available) > kRowBytesMax) return std::unexpected(too_large());
    if (!found && !eof_) {
      searched = available;
      TRY(fill(context));
      continue;
    }
    const size_t length = found ? static_cast<size_t>(static_cast<const char*>(found) - line) : available;
    if (!found && (available == 0 || sample_)) return finish(context);
    if (static_cast<int64_t>(length) > kRowBytesMax) return std::unexpected(too_large());
    set_row(row, length);
    begin_ += length + (found ? 1 : 0);
    line_ += line_ > 0;
    if (!row.text.empty()) return true;
    searched = 0;
  }
}

Result<bool> RowCutter::next_document(RawRow& row, Context& context) {
  for (;;) {
    TRY_ASSIGN(const char token, next_token(context));
    if (base_ + static_cast<int64_t>(begin_) > last_start_) return finish(context);
    if (token == '\0' && begin_ == end_) {
      if (!in_array_ || sample_) return finish(context);
      in_array_ = false;
      return fault_row(row, 0, "the file ends inside an array");
    }
    if (!in_array_ && token == '[') {
      in_array_ = true;
      place_ = kArrayStart;
      pass(1);
    } else if (in_array_ && token == ']') {
      in_array_ = false;
      if (place_ == kAfterComma) return fault_row(row, 1, "expected a value");
      pass(1);
    } else if (in_array_ && token == ',') {
      if (place_ != kAfterRow) return fault_row(row, 1, "expected a value");
      place_ = kAfterComma;
      pass(1);
    } else if (in_array_ && place_ == kAfterRow) {
      place_ = kAfterComma;
      return fault_row(row, 0, "expected ',' or ']'");
    } else {
      place_ = kAfterRow;
      TRY_ASSIGN(const size_t length, find_value_end(context));
      if (static_cast<int64_t>(length) > kRowBytesMax) return std::unexpected(too_large());
      if (sample_ && eof_ && begin_ + length == end_) return finish(context);
      set_row(row, length);
      pass(length);
      return true;
    }
  }
}

/// The next byte that is not white space, now at begin_; '\0' at the end (or where the file has that byte).
Result<char> RowCutter::next_token(Context& context) {
  for (;;) {
    size_t space = 0;
    while (begin_ + space < end_ && is_json_space(buffer_[begin_ + space])) ++space;
    pass(space);
    if (begin_ < end_) return buffer_[begin_];
    TRY_ASSIGN(const bool more, fill(context));
    if (!more) return '\0';
  }
}

/// Length of the value at begin_: to its last bracket or quote, a word to the next delimiter, at the end of the file what there is.
Result<size_t> RowCutter::find_value_end(Context& context) {
  int64_t depth = 0;
  bool in_string = false;
  const bool is_word = std::string_view("{[\"").find(buffer_[begin_]) == std::string_view::npos;
  for (size_t at = 0;;) {
    const char* value = buffer_ + begin_;
    for (const size_t available = end_ - begin_; at < available; ++at) {
      const char c = value[at];
      if (is_word) {
        if (at > 0 && std::string_view(" \t\r\n,[]{}").find(c) != std::string_view::npos) return at;
      } else if (c == '"') {
        in_string = !in_string;
        if (!in_string && depth == 0) return at + 1;
      } else if (in_string) {
        at += c == '\\';
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (--depth == 0) return at + 1;
      }
    }
    if (static_cast<int64_t>(at) > kRowBytesMax) return std::unexpected(too_large());
    TRY_ASSIGN(const bool more, fill(context));
    if (!more) return end_ - begin_;
  }
}

/// Reads what is left of the source: a changed file is noticed only at its end.
Result<bool> RowCutter::finish(Context& context) {
  begin_ = end_ = 0;
  while (!eof_ && !sample_) {
    TRY_ASSIGN(const size_t count, source_->read({owned_.get(), capacity_}, context));
    eof_ = count < capacity_;
  }
  last_start_ = -1;
  return false;
}

bool RowCutter::fault_row(RawRow& row, size_t length, std::string reason) {
  set_row(row, length);
  row.fault = std::move(reason);
  pass(length);
  return true;
}

void RowCutter::set_row(RawRow& row, size_t length) {
  size_t first = begin_, last = begin_ + length;
  while (first < last && is_json_space(buffer_[first])) ++first;
  while (last > first && is_json_space(buffer_[last - 1])) --last;
  row.text = {buffer_ + first, last - first};
  row.byte = base_ + static_cast<int64_t>(first);
  row.line = line_;
}

/// Goes on behind `length` bytes of a document, counting the lines that begin within.
void RowCutter::pass(size_t length) {
  const char* at = buffer_ + begin_;
  line_ += std::count(at, at + length, '\n');
  begin_ += length;
}

Error RowCutter::too_large() const {
  return error_at(error_type::kTooLarge, line_, base_ + static_cast<int64_t>(begin_),
                  fmt::format("a row of more than {} MiB: split it into smaller rows", kRowBytesMax / kMiB));
}

}  // namespace sluice
