// The bytes of a SQL dump as a window that moves forward, with the place in the file. Not thread-safe.
// A failed read is kept: from then on the text is at its end, and failure() says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"

namespace sluice {

class SqlText {
 public:
  /// `source` holds plain bytes from the file's beginning; a byte order mark is passed over.
  explicit SqlText(std::unique_ptr<ByteSource> source, size_t block_bytes = 256 * kKiB);
  SqlText(const SqlText&) = delete;

  /// Of the reads that follow; must outlive them.
  void use(Context& context) { context_ = &context; }

  /// The next byte, -1 at the end.
  int peek() { return at_ < end_ || refill(1) ? static_cast<unsigned char>(buffer_[at_]) : -1; }
  /// The byte `ahead` behind it (at most kAheadMax), -1 where the text ends before.
  int peek(size_t ahead) { return at_ + ahead < end_ || refill(ahead + 1) ? static_cast<unsigned char>(buffer_[at_ + ahead]) : -1; }
  bool starts_with(std::string_view text);  ///< of at most kAheadMax bytes
  /// All bytes in hand, at least one unless the text is at its end. Valid until the next call of any function.
  std::string_view window() { return peek() < 0 ? std::string_view() : std::string_view(buffer_.data() + at_, end_ - at_); }
  /// The beginning of the text, at most kHeadBytes. Before anything was passed over.
  std::string_view head();
  /// Passes over bytes in hand; none where the text has ended since.
  void skip(size_t count);

  int64_t line() const { return line_; }  ///< 1-based, of the next byte
  bool begins_line() const { return byte() == line_byte_; }
  /// From here on the text is what lies at that place of another file.
  void continue_at(int64_t line, int64_t byte) {
    line_ = line;
    line_byte_ = byte;
    buffer_byte_ = byte - static_cast<int64_t>(at_);
  }
  int64_t byte() const { return buffer_byte_ + static_cast<int64_t>(at_); }

  /// Keeps what is passed over from here on, up to `bytes_max`; captured() gives it.
  void begin_capture(size_t bytes_max);
  std::string captured() const;
  bool capture_is_cut() const;

  /// Ends the text with an error of the file at a place.
  void fail_at(int64_t line, int64_t byte, std::string_view type, const std::string& reason);
  const std::optional<Error>& failure() const { return failure_; }

  static constexpr size_t kAheadMax = 64;
  static constexpr size_t kHeadBytes = 64 * kKiB;

 private:
  bool refill(size_t wanted);
  std::string_view capture_in_hand() const { return {buffer_.data() + captured_from_, at_ - captured_from_}; }

  const std::unique_ptr<ByteSource> source_;
  const size_t block_bytes_;
  Context* context_ = nullptr;
  std::vector<char> buffer_;
  size_t at_ = 0, end_ = 0;
  int64_t buffer_byte_ = 0, line_ = 1;
  int64_t line_byte_ = 0;  ///< where the line in hand begins
  bool begun_ = false, ended_ = false;
  bool capturing_ = false;
  size_t captured_from_ = 0, capture_bytes_max_ = 0;
  std::string captured_;
  std::optional<Error> failure_;
};

}  // namespace sluice
