#include <algorithm>
#include <string_view>
#include <utility>

#include <bzlib.h>
#include <fmt/format.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case BZ_DATA_ERROR: return "bad data or a wrong checksum";
    case BZ_DATA_ERROR_MAGIC: return "no bzip2 header";
    case BZ_MEM_ERROR: return "no memory for a decoder";
    default: return "bad data";
  }
}

class Bzip2Source final : public InflatingSource {
 public:
  explicit Bzip2Source(StoredBytes stored) : InflatingSource(std::move(stored), "bzip2") {}
  ~Bzip2Source() override {
    if (started_) BZ2_bzDecompressEnd(&stream_);
  }

  Result<void> start() {
    stream_ = {};
    started_ = BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
    if (!started_) return fail(ErrorCode::kUnavailable, "no memory for a bzip2 decoder");
    stream_begin_ = position();
    return {};
  }

 private:
  Result<void> step(std::span<char> into, size_t& filled) override {
    if (between_streams_) {
      BZ2_bzDecompressEnd(&stream_);
      started_ = first_stream_ = false;
      TRY(start());
      between_streams_ = false;
    }
    const auto in = static_cast<unsigned>(input_size());
    const auto out = static_cast<unsigned>(std::min<size_t>(into.size() - filled, kGiB));
    stream_.next_in = input();
    stream_.avail_in = in;
    stream_.next_out = into.data() + filled;
    stream_.avail_out = out;
    const int status = BZ2_bzDecompress(&stream_);
    consume(in - stream_.avail_in);
    filled += out - stream_.avail_out;
    if (status == BZ_STREAM_END) between_streams_ = true;
    if (status == BZ_OK || status == BZ_STREAM_END) return {};
    if (status == BZ_DATA_ERROR_MAGIC && !first_stream_) return std::unexpected(trailing_garbage(stream_begin_));
    return std::unexpected(broken(fmt::format("broken bzip2 stream near stored byte {}: {}", position(), reason_of(status))));
  }

  bz_stream stream_{};
  int64_t stream_begin_ = 0;  ///< stored byte
  bool first_stream_ = true;
  bool started_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_bzip2(StoredBytes stored) {
  auto source = std::make_unique<Bzip2Source>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace sluice
