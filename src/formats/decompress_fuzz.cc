// Any bytes as a compressed file: no crash, no endless loop, and the same bytes or a failure however much is asked for at once. The first
// byte chooses the portion; the second may put a magic number in front, so that each decoder is reached.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "formats/decompress.h"

namespace sluice {
namespace {

constexpr size_t kInflatedBytesMax = 1 << 20;

struct Inflated {
  std::string text;
  bool failed = false;
  bool operator==(const Inflated&) const = default;
};

Inflated inflate(const std::string& stored, size_t portion) {
  Context context;
  Inflated result;
  auto blob = make_memory_blob(stored);
  auto source = open_decompressed(*blob, {}, context);
  if (!source) return {"", true};
  std::vector<char> buffer(portion);
  while (result.text.size() < kInflatedBytesMax) {
    const std::span<char> asked(buffer.data(), std::min(portion, kInflatedBytesMax - result.text.size()));
    const auto count = (*source)->read(asked, context);
    // What was inflated in the failing portion is lost with it. Which of two faults is met first may depend on the portion, too: zstd
    // decodes a small frame at once where there is room, and asks for no window then.
    if (!count) return {"", true};
    result.text.append(asked.data(), *count);
    if (*count < asked.size()) return result;
  }
  return result;
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr std::array<std::string_view, 6> kHeads = {"",
                                                             "\x1f\x8b\x08",
                                                             "\x28\xb5\x2f\xfd",
                                                             "BZh91AY&SY",
                                                             std::string_view("\xfd\x37zXZ\x00\x00\x04\xe6\xd6\xb4\x46", 12),
                                                             "\x04\x22\x4d\x18"};
  if (size < 2) return 0;
  std::string stored(kHeads[data[1] % kHeads.size()]);
  stored.append(reinterpret_cast<const char*>(data + 2), size - 2);
  if (sluice::inflate(stored, 1 + data[0] % 61) != sluice::inflate(stored, 64 * 1024)) std::abort();
  return 0;
}
