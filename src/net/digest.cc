#include "net/digest.h"

#include <cstring>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace sluice {
namespace {

constexpr uint32_t kCastagnoli = 0x82f63b78;  // reflected

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCastagnoli : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

uint32_t crc32c_by_table(uint32_t crc, std::string_view bytes) {
  for (const char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_by_instruction(uint32_t crc, std::string_view bytes) {
  uint64_t wide = crc;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; at < bytes.size(); ++at) crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(bytes[at]));
  return crc;
}
#endif

template <size_t N>
std::array<uint8_t, N> digest(const EVP_MD* kind, std::string_view bytes) {
  std::array<uint8_t, N> result{};
  EVP_Digest(bytes.data(), bytes.size(), result.data(), nullptr, kind, nullptr);
  return result;
}

}  // namespace

Sha256 sha256(std::string_view bytes) { return digest<32>(EVP_sha256(), bytes); }

std::array<uint8_t, 16> md5(std::string_view bytes) { return digest<16>(EVP_md5(), bytes); }

Sha256 hmac_sha256(std::string_view key, std::string_view bytes) {
  Sha256 result{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), result.data(),
       nullptr);
  return result;
}

uint32_t crc32c(std::string_view bytes) {
  const uint32_t start = ~uint32_t{0};
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~crc32c_by_instruction(start, bytes);
#endif
  return ~crc32c_by_table(start, bytes);
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP ends it with a NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), reinterpret_cast<const uint8_t*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

std::string crc32c_base64(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  const char big_endian[] = {static_cast<char>(crc >> 24), static_cast<char>(crc >> 16), static_cast<char>(crc >> 8),
                             static_cast<char>(crc)};
  return to_base64({big_endian, sizeof big_endian});
}

}  // namespace sluice
