// Avro object container files, block by block, and the decoder of what a block holds. Trusts nothing it reads. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "formats/avro_schema.h"

namespace sluice {

/// Bytes of one block that are accepted, stored and uncompressed (some writers put a whole manifest into one).
inline constexpr int64_t kAvroBlockBytesMax = 256 * kMiB;

/// Decodes Avro's binary encoding from memory. Errors are ParseError without a place: the caller knows it.
class AvroDecoder {
 public:
  explicit AvroDecoder(std::string_view bytes)
      : rest_(bytes), values_left_(kValuesMin + kValuesPerByteMax * static_cast<int64_t>(bytes.size())) {}

  std::string_view rest() const { return rest_; }
  Result<int64_t> read_long();
  Result<std::string_view> read_exactly(int64_t count);
  Result<std::string_view> read_bytes();
  Result<bool> read_boolean();
  Result<float> read_float();
  Result<double> read_double();
  /// Which branch of a union follows.
  Result<size_t> read_branch(const AvroType& type);
  /// The count of items in the next part of an array or map; 0: it has ended.
  Result<int64_t> read_item_count();
  /// Called for each value of whatever kind: nulls and empty records take no bytes, so a file could claim any number of them.
  Result<void> count_value();

 private:
  static constexpr int64_t kValuesPerByteMax = 4, kValuesMin = 4096;

  std::string_view rest_;
  int64_t values_left_;
};

/// Codecs: null, deflate, snappy, bzip2, xz, zstandard.
class AvroFile {
 public:
  static Result<AvroFile> open(std::unique_ptr<ByteSource> source, Context& context);

  const AvroTypePtr& schema() const { return schema_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Reads the next block; false at the end. A file that ends inside a block is broken.
  Result<bool> next_block(Context& context);
  std::string_view block() const { return block_; }  ///< uncompressed; valid until the next call
  int64_t block_records() const { return block_records_; }
  int64_t block_begin() const { return block_begin_; }  ///< byte in the file

  /// ParseError at the block in hand.
  Error broken(std::string_view message) const;

 private:
  explicit AvroFile(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  Result<void> read_header(Context& context);
  /// At least `count` bytes in rest(), or as many as there are.
  Result<void> fill(size_t count, Context& context);
  std::string_view rest() const { return std::string_view(buffer_).substr(next_); }
  Result<int64_t> take_long(Context& context);
  Result<std::string_view> take(int64_t count, Context& context);
  Result<void> decompress(std::string_view stored, Context& context);

  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  size_t next_ = 0;
  int64_t buffer_byte_ = 0;  ///< of the buffer's first byte in the file
  bool source_ended_ = false;
  std::map<std::string, std::string> metadata_;
  std::string codec_, sync_marker_;
  AvroTypePtr schema_;
  std::string storage_;
  std::string_view block_;
  int64_t block_records_ = 0, block_begin_ = 0;
};

}  // namespace sluice
