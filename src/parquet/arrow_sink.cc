#include "parquet/arrow_sink.h"

#include <fmt/format.h>

namespace sluice {

arrow::Status ArrowSink::Write(const void* data, int64_t nbytes) {
  if (dropped_ || context_ == nullptr) return arrow::Status::Cancelled("the file was dropped");
  if (error_) return arrow::Status::IOError(error_->message);
  auto written = sink_->write({static_cast<const char*>(data), static_cast<size_t>(nbytes)}, *context_);
  if (!written) {
    error_ = std::move(written).error();
    return arrow::Status::IOError(error_->message);
  }
  position_ += nbytes;
  return arrow::Status::OK();
}

arrow::Status ArrowSink::Close() {
  closed_ = true;
  return arrow::Status::OK();
}

std::unexpected<Error> ArrowSink::failure(std::string_view path, const arrow::Status& status) const {
  const std::string prefix = fmt::format("writing {}", path);
  if (error_) return std::unexpected(error_->within(prefix));
  const ErrorCode code = status.IsOutOfMemory() ? ErrorCode::kUnavailable : ErrorCode::kInvalidInput;
  return fail(code, fmt::format("{}: {}", prefix, status.message()));
}

}  // namespace sluice
