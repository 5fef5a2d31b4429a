#include "formats/inflating_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kInputBytes = 256 * kKiB;

}  // namespace

Result<void> StoredBytes::look_ahead(Context& context) {
  TRY_ASSIGN(head_size_, source_->read(head_, context));
  return {};
}

Result<size_t> StoredBytes::read(std::span<char> into, Context& context) {
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

InflatingSource::InflatingSource(StoredBytes stored, std::string_view codec)
    : stored_(std::move(stored)), codec_(codec), input_(kInputBytes) {}

Result<size_t> InflatingSource::read(std::span<char> into, Context& context) {
  size_t filled = 0;
  while (filled < into.size() && !ended_) {
    if (next_ == size_ && !input_ended_) TRY(refill(context));
    const size_t before_in = next_, before_out = filled;
    if (next_ == size_ && input_ended_ && between_streams_) break;
    TRY(step(into, filled));
    inflated_ += static_cast<int64_t>(filled - before_out);
    TRY(check_inflation());
    if (next_ == before_in && filled == before_out && next_ == size_ && input_ended_ && !between_streams_) {
      if (!stored_.is_sample()) return std::unexpected(broken(fmt::format("truncated {} stream after {} bytes", codec_, taken_)));
      ended_ = true;
    }
  }
  return filled;
}

Result<void> InflatingSource::refill(Context& context) {
  TRY_ASSIGN(size_, stored_.read(input_, context));
  next_ = 0;
  taken_ += static_cast<int64_t>(size_);
  input_ended_ = size_ < input_.size();
  return {};
}

Result<void> InflatingSource::check_inflation() const {
  if (inflated_ <= kInflationFreeBytes || inflated_ / kInflationMax <= taken_) return {};
  return std::unexpected(too_hungry(fmt::format(
      "{} stream: {} stored bytes inflate to more than {} times as much ({} bytes so far), as a decompression bomb does; if it is none, "
      "load it uncompressed",
      codec_, taken_, kInflationMax, inflated_)));
}

Error InflatingSource::broken(std::string message) const {
  return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kParseError), 0, inflated_};
}

Error InflatingSource::trailing_garbage(int64_t stored_byte) const {
  return broken(fmt::format("trailing garbage after the {} stream at stored byte {}", codec_, stored_byte));
}

Error InflatingSource::too_hungry(std::string message) const {
  Error error = broken(std::move(message));
  error.type = error_type::kTooLarge;
  return error;
}

}  // namespace sluice
