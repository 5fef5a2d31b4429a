// A ByteSink as Arrow's output stream, and Arrow's failures as our errors. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include "base/byte_sink.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// Keeps the sink's own error, which a Status cannot carry. Closing does not finish the sink.
class ArrowSink final : public arrow::io::OutputStream {
 public:
  explicit ArrowSink(std::unique_ptr<ByteSink> sink) : sink_(std::move(sink)) {}

  /// The context of the writes to come; it must outlive them.
  void use(Context& context) { context_ = &context; }
  /// From now on every write fails at once: what Arrow's destructors still write is not wanted.
  void drop() { dropped_ = true; }

  arrow::Status Write(const void* data, int64_t nbytes) override;
  using Writable::Write;
  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  int64_t position() const { return position_; }
  Result<void> finish(Context& context) { return sink_->finish(context); }

  /// `status` as an error of ours: the sink's where it failed, else kInvalidInput with Arrow's words.
  std::unexpected<Error> failure(std::string_view path, const arrow::Status& status) const;

 private:
  std::unique_ptr<ByteSink> sink_;
  Context* context_ = nullptr;
  std::optional<Error> error_;
  int64_t position_ = 0;
  bool dropped_ = false;
  bool closed_ = false;
};

}  // namespace sluice
