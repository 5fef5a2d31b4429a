#include "formats/sql_text.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "model/file.h"

namespace sluice {

SqlText::SqlText(std::unique_ptr<ByteSource> source, size_t block_bytes)
    : source_(std::move(source)), block_bytes_(std::max(block_bytes, kAheadMax)) {}

bool SqlText::refill(size_t wanted) {
  if (ended_) return false;
  if (capturing_) {
    const std::string_view passed = capture_in_hand();
    captured_.append(passed.substr(0, capture_bytes_max_ + 1 - std::min(capture_bytes_max_ + 1, captured_.size())));
  }
  if (at_ > 0) std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
  buffer_byte_ += static_cast<int64_t>(at_);
  end_ -= at_;
  at_ = captured_from_ = 0;
  buffer_.resize(std::max(buffer_.size(), end_ + block_bytes_));
  while (end_ < wanted && !ended_) {
    const auto got = source_->read({buffer_.data() + end_, block_bytes_}, *context_);
    if (!got) failure_ = got.error();
    ended_ = !got || *got == 0;
    end_ += got ? *got : 0;
    buffer_.resize(std::max(buffer_.size(), end_ + block_bytes_));
  }
  if (failure_) at_ = end_;
  if (!begun_) {
    begun_ = true;
    if (starts_with("\xef\xbb\xbf")) at_ = 3;
    line_byte_ = byte();
    if (starts_with("\xff\xfe") || starts_with("\xfe\xff")) {
      fail_at(1, 0, error_type::kParseError, "the text is UTF-16; convert the file to UTF-8");
    }
  }
  return end_ - at_ >= wanted;
}

std::string_view SqlText::head() {
  if (end_ - at_ < kHeadBytes) refill(kHeadBytes);
  return window().substr(0, kHeadBytes);
}

bool SqlText::starts_with(std::string_view text) {
  if (end_ - at_ < text.size() && !refill(text.size())) return false;
  return std::string_view(buffer_.data() + at_, text.size()) == text;
}

void SqlText::skip(size_t count) {
  count = std::min(count, end_ - at_);  // a failure between window() and here ended the text
  const std::string_view passed(buffer_.data() + at_, count);
  if (const auto ends = std::ranges::count(passed, '\n'); ends > 0) {
    line_ += ends;
    line_byte_ = byte() + static_cast<int64_t>(passed.rfind('\n')) + 1;
  }
  at_ += count;
}

void SqlText::begin_capture(size_t bytes_max) {
  capturing_ = true;
  captured_.clear();
  captured_from_ = at_;
  capture_bytes_max_ = bytes_max;
}

std::string SqlText::captured() const {
  std::string all = captured_;
  all.append(capture_in_hand());
  if (all.size() > capture_bytes_max_) all.resize(capture_bytes_max_);
  return all;
}

bool SqlText::capture_is_cut() const { return captured_.size() + (at_ - captured_from_) > capture_bytes_max_; }

void SqlText::fail_at(int64_t line, int64_t byte, std::string_view type, const std::string& reason) {
  if (!failure_) {
    failure_ = Error{ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", line, reason, byte), std::string(type), line, byte};
  }
  ended_ = true;
  at_ = end_;
}

}  // namespace sluice
