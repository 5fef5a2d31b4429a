// Bytes of a JSON file -> the text of one row after the other, read in blocks. Not thread-safe. It only finds where rows begin and end;
// whether they are JSON is for json_row.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"

namespace sluice {

inline constexpr int64_t kJsonBlockBytes = kMiB;

enum class JsonLayout {
  kLines,      ///< NDJSON: a row is a line
  kDocuments,  ///< values that may span lines, one after the other; arrays at the top hold rows
};

struct RawRow {
  std::string_view text;  ///< without white space around it; kJsonPaddingBytes behind it are readable; valid until the next row
  int64_t byte = 0;       ///< of text.front() in the (decompressed) file
  int64_t line = 0;       ///< 1-based; 0: not known (a range that begins inside the file)
  std::string fault;      ///< not empty: what stands here is no row, and why
};

/// "line 17: expected ':' (byte 2041)"; without its line where that is not known (0).
Error error_at(std::string_view type, int64_t line, int64_t byte, std::string_view reason);

/// Cuts the rows of one range of a file.
class RowCutter {
 public:
  /// Opens `range`. Offset 0: all rows that begin up to the range's end, that byte included; compression is undone and the layout
  /// recognised by content. Offset above 0: the file is uncompressed NDJSON, and the rows are those that begin behind the first line break
  /// at or after the offset. The last row is read to its end, beyond the range. So ranges without gaps have every row once.
  /// `blob` must outlive the cutter. `sample`: the blob's range is all there is; a row that it cuts off is none.
  static Result<RowCutter> open(Blob& blob, ByteRange range, bool sample, int64_t block_bytes, Context& context);

  /// The rows of a whole, uncompressed file in memory, which must outlive the cutter and have kJsonPaddingBytes readable bytes behind.
  static Result<RowCutter> over(std::string_view bytes, Context& context);

  /// False: no more rows. TooLarge: a row above kRowBytesMax, refused after reading not more than that (and a block).
  Result<bool> next(RawRow& row, Context& context);

  JsonLayout layout() const { return layout_; }

 private:
  RowCutter(Blob* blob, int64_t block_bytes) : blob_(blob), block_bytes_(block_bytes) {}

  Result<void> open_source(ByteRange range, bool sample, Context& context);
  Result<void> recognise(Context& context);
  Result<void> skip_first_line(Context& context);
  Result<bool> fill(Context& context);
  void resize_buffer(size_t capacity);
  Result<bool> next_line(RawRow& row, Context& context);
  Result<bool> next_document(RawRow& row, Context& context);
  Result<size_t> find_value_end(Context& context);
  Result<char> next_token(Context& context);
  Result<bool> finish(Context& context);
  bool fault_row(RawRow& row, size_t length, std::string reason);
  void set_row(RawRow& row, size_t length);
  void pass(size_t length);
  Error too_large() const;

  Blob* blob_;  ///< null: all bytes are in the buffer
  int64_t block_bytes_;
  JsonLayout layout_ = JsonLayout::kLines;
  std::unique_ptr<ByteSource> source_;
  int64_t last_start_ = std::numeric_limits<int64_t>::max();  ///< a row that begins behind this byte belongs to another range
  bool sample_ = false;
  bool eof_ = false;

  std::unique_ptr<char[]> owned_;  ///< what buffer_ is, unless the bytes are somebody else's
  const char* buffer_ = nullptr;   ///< [begin_, end_) is read and not yet cut
  size_t capacity_ = 0;            ///< without kJsonPaddingBytes behind
  size_t begin_ = 0, end_ = 0;
  int64_t base_ = 0;  ///< where buffer_[0] stands in the file
  int64_t line_ = 1;  ///< of buffer_[begin_]; 0: not known

  bool in_array_ = false;                                             ///< documents: between the brackets of an array at the top
  enum { kArrayStart, kAfterComma, kAfterRow } place_ = kArrayStart;  ///< there
};

}  // namespace sluice
