// Digests and their spellings, as signatures and upload checks need them. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

using Sha256 = std::array<uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
Sha256 hmac_sha256(std::string_view key, std::string_view bytes);
std::array<uint8_t, 16> md5(std::string_view bytes);
/// CRC-32C (Castagnoli).
uint32_t crc32c(std::string_view bytes);

template <size_t N>
std::string_view bytes_of(const std::array<uint8_t, N>& digest) {
  return {reinterpret_cast<const char*>(digest.data()), N};
}
std::string to_hex(std::string_view bytes);     ///< lower case
std::string to_base64(std::string_view bytes);  ///< with padding
/// crc32c() as the header x-amz-checksum-crc32c carries it: base64 of its big-endian bytes.
std::string crc32c_base64(std::string_view bytes);

}  // namespace sluice
