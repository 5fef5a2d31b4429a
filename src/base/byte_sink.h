// Bytes of one object, written forward, that become visible whole or not at all. Not thread-safe.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// Destroying a sink that was not finished drops what was written.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Result<void> write(std::span<const char> bytes, Context& context) = 0;
  /// Makes the object visible and durable. kConflict, kOutcomeUnknown as the store says.
  virtual Result<void> finish(Context& context) = 0;
};

/// Collects the bytes in `into`, which must outlive the sink (tests).
std::unique_ptr<ByteSink> make_memory_sink(std::string& into);

}  // namespace sluice
