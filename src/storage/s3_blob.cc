#include "storage/s3_blob.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <future>

#include <fmt/format.h>

#include "storage/byte_extent.h"

namespace sluice {
namespace {

std::atomic<int64_t> ahead_bytes{0};  // ranges asked for before they are needed, of all readers

/// A range on its way.
struct Range {
  int64_t length = 0;
  bool counted = false;
  std::future<Result<std::string>> bytes;
};

class S3Source final : public ByteSource {
 public:
  S3Source(ObjectStore& store, const ObjectInfo& object, int64_t begin, int64_t end)
      : store_(store), object_(object), whole_(begin == 0 && end == object.size_bytes), next_(begin), end_(end) {}
  ~S3Source() override {
    stop_.request_stop();  // what is under way is wanted by nobody
    for (const Range& range : ranges_) give_back(range);
  }

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size()) {
      if (used_ == block_.size()) {
        if (ranges_.empty() && next_ == end_) break;
        TRY(context.check());
        TRY(take_range(context));
      }
      const size_t count = std::min(into.size() - filled, block_.size() - used_);
      std::memcpy(into.data() + filled, block_.data() + used_, count);
      used_ += count;
      filled += count;
    }
    return filled;
  }

 private:
  Result<void> take_range(Context& context) {
    block_ = {};  // before the next is held
    used_ = 0;
    if (ranges_.empty()) ask(false);
    if (started_) {
      while (next_ < end_ && static_cast<int>(ranges_.size()) <= kS3RangesAheadMax && ahead_bytes.load() < kS3AheadBytesMax) ask(true);
    }
    started_ = true;
    Range range = std::move(ranges_.front());
    ranges_.pop_front();
    const std::stop_callback stopped(context.stop, [this] { stop_.request_stop(); });
    Result<std::string> bytes = range.bytes.get();
    give_back(range);
    TRY_ASSIGN(block_, std::move(bytes));
    if (static_cast<int64_t>(block_.size()) == range.length) return {};
    return std::unexpected(Error{ErrorCode::kConflict,
                                 "reading " + object_.path + ": it ended before its listed size; it is read again, by this run or the next",
                                 std::string(error_type::kChangedWhileRead)});
  }

  void ask(bool ahead) {
    const int64_t left = end_ - next_;
    const bool at_once = whole_ && !started_ && left <= kS3RangeBytes;
    const int64_t length = at_once ? left : std::min(left, started_ ? kS3RangeBytes : kS3FirstRangeBytes);
    auto promise = std::make_shared<std::promise<Result<std::string>>>();
    ranges_.push_back({length, ahead, promise->get_future()});
    if (ahead) ahead_bytes += length;
    // The whole object is asked for without a range: stores then also hand out the checksum that was kept with it.
    const ByteRange range = at_once ? ByteRange{} : ByteRange{next_, length};
    next_ += length;
    store_.read({object_.path, object_.version, range, stop_.get_token()},
                [promise](Result<std::string> bytes) { promise->set_value(std::move(bytes)); });
  }

  static void give_back(const Range& range) {
    if (range.counted) ahead_bytes -= range.length;
  }

  ObjectStore& store_;
  const ObjectInfo object_;
  const bool whole_;
  int64_t next_;
  const int64_t end_;
  bool started_ = false;
  std::stop_source stop_;
  std::deque<Range> ranges_;
  std::string block_;
  size_t used_ = 0;
};

class S3Blob final : public Blob {
 public:
  S3Blob(ObjectStore& store, ObjectInfo object) : store_(store), object_(std::move(object)) {}

  int64_t size_bytes() const override { return object_.size_bytes; }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY(context.check());
    const auto [begin, end] = extent_within(range, object_.size_bytes);
    return std::make_unique<S3Source>(store_, object_, begin, end);
  }

 private:
  ObjectStore& store_;
  const ObjectInfo object_;
};

}  // namespace

std::unique_ptr<Blob> make_s3_blob(ObjectStore& store, ObjectInfo object) { return std::make_unique<S3Blob>(store, std::move(object)); }

}  // namespace sluice
