#include "formats/decompress.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/units.h"

namespace sluice {
namespace {

constexpr size_t kInputBytes = 256 * kKiB;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what `zstd` itself accepts without being told to
constexpr size_t kMagicBytes = 4;

Compression compression_of(std::string_view head) {
  // Neither prefix can begin UTF-8 text, so no plain file is mistaken for a compressed one.
  if (head.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  const bool skippable_frame = head.size() >= kMagicBytes && (head[0] & 0xf0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
  return skippable_frame ? Compression::kZstd : Compression::kNone;
}

/// The stored bytes of a range, with the first few looked at before they are read.
class StoredBytes {
 public:
  StoredBytes(std::unique_ptr<ByteSource> source, bool is_sample) : source_(std::move(source)), is_sample_(is_sample) {}

  Result<void> look_ahead(Context& context) {
    TRY_ASSIGN(head_size_, source_->read(head_, context));
    return {};
  }
  std::string_view head() const { return {head_.data(), head_size_}; }

  Result<size_t> read(std::span<char> into, Context& context) {
    TRY(context.check());
    const size_t from_head = std::min(into.size(), head_size_ - head_used_);
    std::memcpy(into.data(), head_.data() + head_used_, from_head);
    head_used_ += from_head;
    size_t count = from_head;
    if (count < into.size()) {
      TRY_ASSIGN(const size_t more, source_->read(into.subspan(count), context));
      count += more;
    }
    return count;
  }
  bool is_sample() const { return is_sample_; }

 private:
  std::unique_ptr<ByteSource> source_;
  bool is_sample_;
  std::array<char, kMagicBytes> head_{};
  size_t head_size_ = 0;
  size_t head_used_ = 0;
};

class PlainSource final : public ByteSource {
 public:
  explicit PlainSource(StoredBytes stored) : stored_(std::move(stored)) {}
  Result<size_t> read(std::span<char> into, Context& context) override { return stored_.read(into, context); }

 private:
  StoredBytes stored_;
};

/// What gzip and zstd share: refilling the input, counting, and how a stream may end. A step inflates once.
class InflatingSource : public ByteSource {
 public:
  InflatingSource(StoredBytes stored, std::string_view codec) : stored_(std::move(stored)), codec_(codec), input_(kInputBytes) {}

  Result<size_t> read(std::span<char> into, Context& context) final {
    size_t filled = 0;
    while (filled < into.size() && !ended_) {
      if (next_ == size_ && !input_ended_) TRY(refill(context));
      const size_t before_in = next_, before_out = filled;
      if (next_ == size_ && input_ended_ && between_streams_) break;
      TRY(step(into, filled));
      inflated_ += static_cast<int64_t>(filled - before_out);
      if (next_ == before_in && filled == before_out && next_ == size_ && input_ended_ && !between_streams_) {
        if (!stored_.is_sample()) return std::unexpected(broken(fmt::format("truncated {} stream after {} bytes", codec_, taken_)));
        ended_ = true;
      }
    }
    return filled;
  }

 protected:
  /// Inflates from the input into `into` at `filled`, moving next_ and filled; keeps between_streams_ true to the stream's state.
  virtual Result<void> step(std::span<char> into, size_t& filled) = 0;

  Error broken(std::string message) const { return Error{ErrorCode::kInvalidInput, std::move(message), "ParseError", 0, inflated_}; }
  Error trailing_garbage(int64_t stored_byte) const {
    return broken(fmt::format("trailing garbage after the {} stream at stored byte {}", codec_, stored_byte));
  }
  /// Stored bytes before the one that the decoder sees next.
  int64_t position() const { return taken_ - static_cast<int64_t>(size_ - next_); }
  char* input() { return input_.data() + next_; }
  size_t input_size() const { return size_ - next_; }
  void consume(size_t count) { next_ += count; }

  bool between_streams_ = false;  ///< a member or frame has ended, and the next has not begun

 private:
  Result<void> refill(Context& context) {
    TRY_ASSIGN(size_, stored_.read(input_, context));
    next_ = 0;
    taken_ += static_cast<int64_t>(size_);
    input_ended_ = size_ < input_.size();
    return {};
  }

  StoredBytes stored_;
  const std::string_view codec_;
  std::vector<char> input_;
  size_t next_ = 0, size_ = 0;
  int64_t taken_ = 0, inflated_ = 0;
  bool input_ended_ = false, ended_ = false;
};

class GzipSource final : public InflatingSource {
 public:
  explicit GzipSource(StoredBytes stored) : InflatingSource(std::move(stored), "gzip") {}
  ~GzipSource() override {
    if (started_) inflateEnd(&stream_);
  }

  Result<void> start() {
    constexpr int kGzipHeaderOnly = 15 + 16;
    started_ = inflateInit2(&stream_, kGzipHeaderOnly) == Z_OK;
    if (!started_) return fail(ErrorCode::kUnavailable, "no memory for a gzip decoder");
    return {};
  }

 private:
  Result<void> step(std::span<char> into, size_t& filled) override {
    if (between_streams_) {
      inflateReset(&stream_);
      between_streams_ = first_stream_ = false;
    }
    const auto in = static_cast<uInt>(input_size());
    const auto out = static_cast<uInt>(std::min<size_t>(into.size() - filled, kGiB));
    const int64_t begin = position();
    stream_.next_in = reinterpret_cast<Bytef*>(input());
    stream_.avail_in = in;
    stream_.next_out = reinterpret_cast<Bytef*>(into.data() + filled);
    stream_.avail_out = out;
    const bool at_header = !first_stream_ && stream_.total_in == 0;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    consume(in - stream_.avail_in);
    filled += out - stream_.avail_out;
    if (status == Z_STREAM_END) between_streams_ = true;
    if (status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) return {};
    if (at_header && stream_.total_out == 0) return std::unexpected(trailing_garbage(begin));
    const char* const reason = stream_.msg != nullptr ? stream_.msg : "bad data";
    return std::unexpected(broken(fmt::format("broken gzip stream at stored byte {}: {}", position(), reason)));
  }

  z_stream stream_{};
  bool first_stream_ = true;
  bool started_ = false;
};

class ZstdSource final : public InflatingSource {
 public:
  explicit ZstdSource(StoredBytes stored) : InflatingSource(std::move(stored), "zstd"), decoder_(ZSTD_createDCtx()) {}
  ~ZstdSource() override { ZSTD_freeDCtx(decoder_); }

  Result<void> start() {
    if (decoder_ == nullptr) return fail(ErrorCode::kUnavailable, "no memory for a zstd decoder");
    ZSTD_DCtx_setParameter(decoder_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
    return {};
  }

 private:
  Result<void> step(std::span<char> into, size_t& filled) override {
    const int64_t begin = position();
    const bool at_header = between_streams_;
    ZSTD_inBuffer in{input(), input_size(), 0};
    ZSTD_outBuffer out{into.data() + filled, into.size() - filled, 0};
    const size_t left = ZSTD_decompressStream(decoder_, &out, &in);
    if (ZSTD_isError(left)) return std::unexpected(explain(ZSTD_getErrorCode(left), ZSTD_getErrorName(left), at_header, begin));
    consume(in.pos);
    filled += out.pos;
    if (in.pos > 0 || out.pos > 0) between_streams_ = left == 0;
    return {};
  }

  Error explain(ZSTD_ErrorCode code, std::string_view text, bool at_header, int64_t begin) const {
    if (code == ZSTD_error_frameParameter_windowTooLarge) {
      Error error = broken(fmt::format("zstd window above {} MiB; compress again with --long={} or less", (1 << kZstdWindowLogMax) / kMiB,
                                       kZstdWindowLogMax));
      error.type = "TooLarge";
      return error;
    }
    if (code == ZSTD_error_prefix_unknown && at_header) return trailing_garbage(begin);
    return broken(fmt::format("broken zstd stream near stored byte {}: {}", begin, text));
  }

  ZSTD_DCtx* const decoder_;
};

template <class Source>
Result<std::unique_ptr<ByteSource>> start_inflating(StoredBytes stored) {
  auto source = std::make_unique<Source>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace

Result<Compression> sniff_compression(Blob& blob, Context& context) {
  TRY_ASSIGN(auto source, blob.open({.offset = 0, .length = static_cast<int64_t>(kMagicBytes)}, context));
  std::array<char, kMagicBytes> head;
  TRY_ASSIGN(const size_t size, source->read(head, context));
  return compression_of({head.data(), size});
}

Result<std::unique_ptr<ByteSource>> open_decompressed(Blob& blob, ByteRange range, Context& context) {
  TRY_ASSIGN(auto source, blob.open(range, context));
  if (range.offset != 0) return source;
  const bool is_sample = range.length >= 0 && range.length < blob.size_bytes();
  StoredBytes stored(std::move(source), is_sample);
  TRY(stored.look_ahead(context));
  switch (compression_of(stored.head())) {
    case Compression::kGzip: return start_inflating<GzipSource>(std::move(stored));
    case Compression::kZstd: return start_inflating<ZstdSource>(std::move(stored));
    case Compression::kNone: break;
  }
  return std::make_unique<PlainSource>(std::move(stored));
}

}  // namespace sluice
