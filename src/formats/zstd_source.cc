#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what `zstd` itself accepts without being told to
constexpr size_t kFrameHeaderBytesMax = 18;

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
    note_frame(in.pos, out.pos);
    consume(in.pos);
    filled += out.pos;
    if (in.pos == 0 && out.pos == 0) return {};
    between_streams_ = left == 0;
    return between_streams_ ? end_frame() : Result<void>{};
  }

  /// Before the input is consumed.
  void note_frame(size_t taken, size_t given) {
    const size_t more = std::min(taken, header_.size() - header_size_);
    std::copy_n(input(), more, header_.data() + header_size_);
    header_size_ += more;
    frame_bytes_ += given;
  }

  /// The library compares the size that the header names in one of its two ways of decoding only: which one it takes depends on how much
  /// it is asked for. RFC 8878, section 3.1.1.1.4.
  Result<void> end_frame() {
    const unsigned long long named = ZSTD_getFrameContentSize(header_.data(), header_size_);
    const uint64_t found = std::exchange(frame_bytes_, 0);
    header_size_ = 0;
    if (named == ZSTD_CONTENTSIZE_UNKNOWN || named == ZSTD_CONTENTSIZE_ERROR || named == found) return {};
    return std::unexpected(
        broken(fmt::format("broken zstd stream near stored byte {}: its header names {} bytes, it has {}", position(), named, found)));
  }

  Error explain(ZSTD_ErrorCode code, std::string_view text, bool at_header, int64_t begin) const {
    if (code == ZSTD_error_frameParameter_windowTooLarge) {
      return too_hungry(fmt::format("zstd window above {} MiB at stored byte {}; compress again with --long={} or less",
                                    (1 << kZstdWindowLogMax) / kMiB, begin, kZstdWindowLogMax));
    }
    if (code == ZSTD_error_prefix_unknown && at_header) return trailing_garbage(begin);
    return broken(fmt::format("broken zstd stream near stored byte {}: {}", begin, text));
  }

  ZSTD_DCtx* const decoder_;
  std::array<char, kFrameHeaderBytesMax> header_{};  ///< of the frame that is read, as far as it came
  size_t header_size_ = 0;
  uint64_t frame_bytes_ = 0;  ///< that it gave
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_zstd(StoredBytes stored) {
  auto source = std::make_unique<ZstdSource>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace sluice
