#include "formats/line_scanner.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr std::string_view kMark = "\xef\xbb\xbf";

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c & 0x80) != 0; });
}

}  // namespace

LineScanner::LineScanner(std::unique_ptr<ByteSource> source, TextEncoding encoding, LineLimits limits)
    : source_(std::move(source)), encoding_(encoding), limits_(limits), buffer_(limits.block_bytes) {}

Result<bool> LineScanner::next(Context& context) {
  while (!begun_ && size_ - next_ < kMark.size() && !source_ended_) TRY(refill(context));
  if (!begun_ && std::string_view(buffer_.data() + next_, size_ - next_).starts_with(kMark)) {
    next_byte_ += stored_bytes(kMark);
    next_ += kMark.size();
  }
  begun_ = true;
  size_t end = 0;
  TRY_ASSIGN(const bool found, find_end(end, context));
  if (!found && (next_ == size_ || limits_.is_sample)) return false;
  std::string_view raw(buffer_.data() + next_, end - next_);
  ++line_;
  byte_ = next_byte_;
  next_byte_ += stored_bytes(raw) + (found ? stored_bytes("\n") : 0);
  next_ = end + (found ? 1 : 0);
  if (found && raw.ends_with('\r')) raw.remove_suffix(1);
  take(raw);
  return true;
}

/// Where the line in hand ends in the buffer. False: with the file, and no line feed.
Result<bool> LineScanner::find_end(size_t& end, Context& context) {
  for (size_t looked = 0;;) {
    const size_t begin = next_ + looked;
    const void* feed = begin < size_ ? std::memchr(buffer_.data() + begin, '\n', size_ - begin) : nullptr;
    end = feed != nullptr ? static_cast<size_t>(static_cast<const char*>(feed) - buffer_.data()) : size_;
    if (end - next_ > limits_.line_bytes_max) {
      return std::unexpected(Error{ErrorCode::kInvalidInput,
                                   fmt::format("line {}: a line above {} bytes (byte {})", line_ + 1, limits_.line_bytes_max, next_byte_),
                                   std::string(error_type::kTooLarge), line_ + 1, next_byte_});
    }
    if (feed != nullptr) return true;
    if (source_ended_) return false;
    looked = size_ - next_;
    TRY(refill(context));
  }
}

Result<void> LineScanner::refill(Context& context) {
  TRY(context.check());
  const size_t in_hand = size_ - next_;
  std::memmove(buffer_.data(), buffer_.data() + next_, in_hand);
  if (in_hand > buffer_.size() / 2) buffer_.resize(std::min(2 * buffer_.size(), limits_.line_bytes_max + 1 + limits_.block_bytes));
  next_ = 0;
  TRY_ASSIGN(const size_t count, source_->read(std::span(buffer_).subspan(in_hand), context));
  source_ended_ = count < buffer_.size() - in_hand;
  size_ = in_hand + count;
  return {};
}

void LineScanner::take(std::string_view raw) {
  problem_.clear();
  text_ = raw;
  if (!is_single_byte(encoding_)) {
    const bool valid = simdjson::validate_utf8(raw.data(), raw.size());
    if (encoding_ == TextEncoding::kAuto && !is_ascii(raw)) {
      encoding_ = !valid && is_windows_1252(raw) ? TextEncoding::kWindows1252 : TextEncoding::kUtf8;
    }
    if (!is_single_byte(encoding_)) {
      if (!valid) problem_ = "invalid UTF-8";
      return;
    }
  }
  if (is_ascii(raw)) return;
  decoded_.clear();
  if (append_single_byte(encoding_, raw, decoded_) < raw.size()) problem_ = "a byte that windows-1252 does not have";
  text_ = decoded_;
}

}  // namespace sluice
