#include "schema/names.h"

#include <cstdint>

namespace sluice {
namespace {

uint32_t lower(uint32_t c) {
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;     // Latin-1
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 32;  // Greek
  if (c >= 0x400 && c <= 0x40F) return c + 80;                // Cyrillic
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  return c;
}

}  // namespace

std::string fold_case(std::string_view name) {
  std::string folded(name);
  for (size_t i = 0; i < folded.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(folded[i]);
    if (c >= 'A' && c <= 'Z') folded[i] = static_cast<char>(c + 32);
    if (c < 0xC3 || c > 0xD0 || i + 1 >= folded.size()) continue;
    // All these letters, upper and lower, take two bytes.
    const uint32_t letter = lower(((c & 0x1FU) << 6) | (static_cast<unsigned char>(folded[i + 1]) & 0x3FU));
    folded[i] = static_cast<char>(0xC0 | (letter >> 6));
    folded[++i] = static_cast<char>(0x80 | (letter & 0x3F));
  }
  return folded;
}

}  // namespace sluice
