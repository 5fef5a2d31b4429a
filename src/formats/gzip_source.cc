#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "formats/inflating_source.h"

namespace sluice {
namespace {

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

}  // namespace

Result<std::unique_ptr<ByteSource>> open_gzip(StoredBytes stored) {
  auto source = std::make_unique<GzipSource>(std::move(stored));
  TRY(source->start());
  return source;
}

}  // namespace sluice
