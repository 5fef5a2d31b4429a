#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <lz4frame.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

class Lz4Source final : public InflatingSource {
 public:
  explicit Lz4Source(StoredBytes stored) : InflatingSource(std::move(stored), "lz4") {}
  ~Lz4Source() override { LZ4F_freeDecompressionContext(decoder_); }

  Result<void> start() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&decoder_, LZ4F_VERSION))) {
      return fail(ErrorCode::kUnavailable, "no memory for an lz4 decoder");
    }
    return {};
  }

 private:
  Result<void> step(std::span<char> into, size_t& filled) override {
    if (between_streams_) {
      between_streams_ = first_frame_ = false;
      frame_begin_ = position();
    }
    size_t in = input_size(), out = into.size() - filled;
    const size_t left = LZ4F_decompress(decoder_, into.data() + filled, &out, input(), &in, nullptr);
    if (LZ4F_isError(left)) {
      const std::string_view name = LZ4F_getErrorName(left);  // codes are no part of the library's stable interface, names are
      if (name == "ERROR_frameType_unknown" && !first_frame_) return std::unexpected(trailing_garbage(frame_begin_));
      return std::unexpected(broken(fmt::format("broken lz4 stream near stored byte {}: {}", position(), name)));
    }
    consume(in);
    filled += out;
    if (left == 0) between_streams_ = true;
    return {};
  }

  LZ4F_dctx* decoder_ = nullptr;
  int64_t frame_begin_ = 0;  ///< stored byte
  bool first_frame_ = true;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_lz4(StoredBytes stored) {
  auto source = std::make_unique<Lz4Source>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace sluice
