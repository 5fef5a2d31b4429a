#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <lzma.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

constexpr uint64_t kXzMemoryMax = 256 * kMiB;  // `xz -9` needs 65 MiB; a header may ask for 4 GiB
constexpr int64_t kPaddingStep = 4;            // zeros between streams come in fours

std::string_view reason_of(lzma_ret status) {
  switch (status) {
    case LZMA_FORMAT_ERROR: return "no xz header";
    case LZMA_OPTIONS_ERROR: return "a filter that this decoder does not know";
    case LZMA_DATA_ERROR: return "bad data or a wrong checksum";
    case LZMA_MEM_ERROR: return "no memory for a decoder";
    default: return "bad data";
  }
}

class XzSource final : public InflatingSource {
 public:
  explicit XzSource(StoredBytes stored) : InflatingSource(std::move(stored), "xz") {}
  ~XzSource() override { lzma_end(&stream_); }

  Result<void> start() {
    stream_begin_ = position();
    if (lzma_stream_decoder(&stream_, kXzMemoryMax, 0) == LZMA_OK) return {};
    return fail(ErrorCode::kUnavailable, "no memory for an xz decoder");
  }

 private:
  Result<void> step(std::span<char> into, size_t& filled) override {
    if (in_padding_) {
      pass_padding();
      if (input_size() == 0) return {};
      if (padding_ % kPaddingStep != 0) return std::unexpected(trailing_garbage(position()));
      in_padding_ = first_stream_ = between_streams_ = false;
      TRY(start());
    }
    const size_t in = input_size(), out = into.size() - filled;
    stream_.next_in = reinterpret_cast<const uint8_t*>(input());
    stream_.avail_in = in;
    stream_.next_out = reinterpret_cast<uint8_t*>(into.data() + filled);
    stream_.avail_out = out;
    const lzma_ret status = lzma_code(&stream_, LZMA_RUN);
    consume(in - stream_.avail_in);
    filled += out - stream_.avail_out;
    if (status == LZMA_STREAM_END) {
      in_padding_ = between_streams_ = true;
      padding_ = 0;
    }
    if (status == LZMA_OK || status == LZMA_STREAM_END || status == LZMA_BUF_ERROR) return {};
    if (status == LZMA_FORMAT_ERROR && !first_stream_) return std::unexpected(trailing_garbage(stream_begin_));
    if (status == LZMA_MEMLIMIT_ERROR) {
      return std::unexpected(
          too_hungry(fmt::format("xz stream: its dictionary needs {} MiB, above the limit of {} MiB (stored byte {}); "
                                 "compress again with a smaller one (xz -9 needs 65 MiB)",
                                 lzma_memusage(&stream_) / kMiB, kXzMemoryMax / kMiB, position())));
    }
    return std::unexpected(broken(fmt::format("broken xz stream near stored byte {}: {}", position(), reason_of(status))));
  }

  /// A file whose padding is no multiple of four was cut.
  void pass_padding() {
    while (input_size() > 0 && *input() == '\0') {
      consume(1);
      ++padding_;
    }
    between_streams_ = padding_ % kPaddingStep == 0;
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  int64_t stream_begin_ = 0;  ///< stored byte
  int64_t padding_ = 0;
  bool first_stream_ = true, in_padding_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_xz(StoredBytes stored) {
  auto source = std::make_unique<XzSource>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace sluice
