// What the decoders of compressed streams share: stored bytes with a look ahead, refilling, counting, how a stream may end, and the limit
// against bombs. One decoder per file (gzip_source.cc, ...); decompress.h chooses. Not thread-safe.
#pragma once

#include <array>
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

namespace sluice {

/// Enough to tell every compression from text.
inline constexpr size_t kMagicBytes = 10;
/// Inflated bytes per stored byte, once more than kInflationFreeBytes came out: far above what rows give, below what bombs do.
inline constexpr int64_t kInflationMax = 1000;
inline constexpr int64_t kInflationFreeBytes = kGiB;

/// The stored bytes of a range, with the first few looked at before they are read.
class StoredBytes {
 public:
  StoredBytes(std::unique_ptr<ByteSource> source, bool is_sample) : source_(std::move(source)), is_sample_(is_sample) {}

  Result<void> look_ahead(Context& context);
  std::string_view head() const { return {head_.data(), head_size_}; }
  Result<size_t> read(std::span<char> into, Context& context);
  /// The range ends before the file does: a stream that is cut there is no error.
  bool is_sample() const { return is_sample_; }

 private:
  std::unique_ptr<ByteSource> source_;
  bool is_sample_;
  std::array<char, kMagicBytes> head_{};
  size_t head_size_ = 0;
  size_t head_used_ = 0;
};

/// A file is one or more streams (gzip members, zstd and lz4 frames, bzip2 and xz streams) one behind the other.
class InflatingSource : public ByteSource {
 public:
  InflatingSource(StoredBytes stored, std::string_view codec);
  Result<size_t> read(std::span<char> into, Context& context) final;

 protected:
  /// Inflates from the input into `into` at `filled`, moving the input and `filled`; keeps between_streams_ true to the stream's state.
  virtual Result<void> step(std::span<char> into, size_t& filled) = 0;

  /// ParseError at the inflated byte that would have come next.
  Error broken(std::string message) const;
  Error trailing_garbage(int64_t stored_byte) const;
  /// TooLarge: the stream asks for more memory than the limit.
  Error too_hungry(std::string message) const;
  /// Stored bytes before the one that the decoder sees next.
  int64_t position() const { return taken_ - static_cast<int64_t>(size_ - next_); }
  char* input() { return input_.data() + next_; }
  size_t input_size() const { return size_ - next_; }
  void consume(size_t count) { next_ += count; }

  bool between_streams_ = false;  ///< a stream has ended, and the next has not begun

 private:
  Result<void> refill(Context& context);
  Result<void> check_inflation() const;

  StoredBytes stored_;
  const std::string_view codec_;
  std::vector<char> input_;
  size_t next_ = 0, size_ = 0;
  int64_t taken_ = 0, inflated_ = 0;
  bool input_ended_ = false, ended_ = false;
};

Result<std::unique_ptr<ByteSource>> open_gzip(StoredBytes stored);
Result<std::unique_ptr<ByteSource>> open_zstd(StoredBytes stored);
Result<std::unique_ptr<ByteSource>> open_bzip2(StoredBytes stored);
Result<std::unique_ptr<ByteSource>> open_xz(StoredBytes stored);
Result<std::unique_ptr<ByteSource>> open_lz4(StoredBytes stored);

}  // namespace sluice
