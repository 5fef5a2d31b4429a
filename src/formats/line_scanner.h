// Cuts a stream of bytes into lines, which end with LF or CRLF. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
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

struct LineLimits {
  size_t block_bytes = 256 * kKiB;
  size_t line_bytes_max = kRowBytesMax;
  bool is_sample = false;  ///< the source ends inside a line: it is dropped
};

class LineScanner {
 public:
  /// `source` holds plain bytes from the file's beginning, UTF-16 as UTF-8; a byte order mark is passed over. `encoding` is that of the
  /// stored bytes; kAuto: ASCII so far.
  LineScanner(std::unique_ptr<ByteSource> source, TextEncoding encoding, LineLimits limits = {});
  LineScanner(const LineScanner&) = delete;

  /// Moves to the next line; false at the end. Errors: "TooLarge" for a line above the limit, and those of the source.
  Result<bool> next(Context& context);

  std::string_view text() const { return text_; }  ///< UTF-8, without the line's end, unless there is a problem()
  int64_t line() const { return line_; }           ///< 1-based
  int64_t byte() const { return byte_; }           ///< of the stored text, where the line begins
  /// Bytes that the encoding does not have; empty: none.
  const std::string& problem() const { return problem_; }

 private:
  Result<bool> find_end(size_t& end, Context& context);
  Result<void> refill(Context& context);
  void take(std::string_view raw);
  int64_t stored_bytes(std::string_view raw) const { return is_utf16(encoding_) ? utf16_bytes(raw) : std::ssize(raw); }

  const std::unique_ptr<ByteSource> source_;
  TextEncoding encoding_;
  const LineLimits limits_;
  std::vector<char> buffer_;
  size_t next_ = 0, size_ = 0;  ///< what is left in the buffer
  bool source_ended_ = false, begun_ = false;
  std::string_view text_;
  std::string decoded_, problem_;
  int64_t line_ = 0, byte_ = 0, next_byte_ = 0;
};

}  // namespace sluice
