// Whether a line feed ends a record depends on every quote before it. So the quotes of the file are counted once, at the speed of memory:
// an odd number before a place means that it lies inside a field. Each record that a range holds ends in the range; by induction from the
// first range on, every range begins where one reader of the whole file would have begun a record.
#include "formats/csv_split.h"

#include <algorithm>
#include <string_view>

#include "base/units.h"

namespace sluice {
namespace {

constexpr size_t kCountBlockBytes = kMiB;

/// A range that began with these would be taken for a file with a byte order mark.
bool may_be_a_mark(char c) { return c == '\xEF' || c == '\xFE' || c == '\xFF'; }

/// Walks through the file and finds the next place after each multiple.
class PlaceFinder {
 public:
  PlaceFinder(char quote, int64_t split_bytes, int64_t size)
      : quote_(quote), split_bytes_(split_bytes), size_(size), wanted_(split_bytes) {}

  void see(std::string_view block) {
    for (;;) {
      // Up to the byte wanted next only quotes count.
      const int64_t skip = std::clamp<int64_t>(wanted_ - at_, 0, std::ssize(block));
      pass(block.substr(0, static_cast<size_t>(skip)));
      block.remove_prefix(static_cast<size_t>(skip));
      if (block.empty() || wanted_ > size_ - split_bytes_) return pass(block);
      const size_t end = find_line_end(block);
      block.remove_prefix(end);
      if (block.empty()) return;
      if (!may_be_a_mark(block.front())) {
        places_.push_back(at_);
        wanted_ = (at_ / split_bytes_ + 1) * split_bytes_;
      }
    }
  }

  std::vector<ByteRange> ranges() const {
    std::vector<ByteRange> ranges;
    int64_t begin = 0;
    for (const int64_t place : places_) ranges.push_back({begin, place - begin}), begin = place;
    ranges.push_back({begin, begin == 0 ? -1 : size_ - begin});
    return ranges;
  }

 private:
  void pass(std::string_view bytes) {
    if (quote_ != '\0') in_quotes_ ^= (std::ranges::count(bytes, quote_) & 1) != 0;
    at_ += std::ssize(bytes);
  }

  /// Passes to behind the first line feed outside quotes, or to the end; how far that was.
  size_t find_line_end(std::string_view block) {
    for (size_t i = 0; i < block.size(); ++i) {
      ++at_;
      if (quote_ != '\0' && block[i] == quote_) in_quotes_ = !in_quotes_;
      if (block[i] == '\n' && !in_quotes_) return i + 1;
    }
    return block.size();
  }

  const char quote_;
  const int64_t split_bytes_, size_;
  int64_t at_ = 0, wanted_;
  bool in_quotes_ = false;
  std::vector<int64_t> places_;
};

}  // namespace

Result<std::vector<ByteRange>> split_csv(Blob& blob, const CsvDialect& dialect, int64_t split_bytes, Context& context) {
  TRY_ASSIGN(auto source, blob.open({}, context));
  PlaceFinder finder(dialect.quote, split_bytes, blob.size_bytes());
  std::vector<char> block(kCountBlockBytes);
  for (;;) {
    TRY(context.check());
    TRY_ASSIGN(const size_t count, source->read(block, context));
    if (count == 0) return finder.ranges();
    finder.see({block.data(), count});
  }
}

}  // namespace sluice
