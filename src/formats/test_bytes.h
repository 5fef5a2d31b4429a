// Bytes of files that tests write or change by hand.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

/// Seven bits in each byte, the lowest first, as Protocol Buffers and Thrift's compact form have them.
inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

}  // namespace sluice
