// Any bytes as an archive: no crash, no endless loop, no more memory than the limits, and two passes agree on names, sizes and versions.
// The first byte may put the beginning of a kind in front, so that each reader is reached.
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "archives/archive_kind.h"

namespace sluice {
namespace {

constexpr size_t kMembersShown = 200;
constexpr int64_t kReadBytesMax = 1 << 20;

/// What a pass gives, as text.
std::string pass_over(const std::string& bytes, ArchiveKind kind, bool read) {
  Context context;
  const auto blob = make_memory_blob(bytes);
  auto pass = open_archive(kind, *blob, context);
  if (!pass) return pass.error().type;
  std::string seen;
  for (size_t count = 0; count < kMembersShown; ++count) {
    auto member = (*pass)->next(context);
    if (!member) return seen + member.error().type;
    if (!*member) return seen;
    seen += (*member)->name + " " + std::to_string((*member)->size_bytes) + "\n";
    if (!read || (*member)->size_bytes > kReadBytesMax) continue;
    auto opened = (*pass)->open({}, context);
    if (!opened) continue;
    auto source = opened->blob->open({}, context);
    if (!source) continue;
    std::vector<char> block(static_cast<size_t>((*member)->size_bytes) + 1);
    (void)(*source)->read(block, context);
  }
  return seen;
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  static constexpr std::array<std::string_view, 3> kHeads = {"", std::string_view("PK\x03\x04", 4),
                                                             std::string_view("7z\xbc\xaf\x27\x1c\x00\x04", 8)};
  if (size < 1) return 0;
  std::string bytes(kHeads[data[0] % kHeads.size()]);
  bytes.append(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto kind = archive_kind_of(bytes, "x.tar");
  if (!kind) return 0;
  const std::string names = pass_over(bytes, *kind, false), with_bytes = pass_over(bytes, *kind, true);
  // Reading may meet broken bytes that passing over does not; a zip's names come from its directory alone.
  if (*kind == ArchiveKind::kZip && names != with_bytes) std::abort();
  return 0;
}
