#include "base/byte_sink.h"

namespace sluice {
namespace {

class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::string& into) : into_(into) {}
  Result<void> write(std::span<const char> bytes, Context&) override {
    into_.append(bytes.data(), bytes.size());
    return {};
  }
  Result<void> finish(Context&) override { return {}; }

 private:
  std::string& into_;
};

}  // namespace

std::unique_ptr<ByteSink> make_memory_sink(std::string& into) { return std::make_unique<MemorySink>(into); }

}  // namespace sluice
