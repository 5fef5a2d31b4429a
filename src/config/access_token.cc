#include "config/access_token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdlib>

#include "net/digest.h"

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "slu_";
constexpr size_t kIdBytes = 8;
constexpr size_t kSecretBytes = 16;

std::string random_hex(size_t bytes) {
  std::string text(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(bytes)) != 1)
    std::abort();  // without randomness nothing is secret
  return to_hex(text);
}

/// The secret is random: nothing is gained by a slow hash.
std::string hash_of(std::string_view secret) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  EVP_Digest(secret.data(), secret.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, EVP_sha256(), nullptr);
  digest.resize(length);
  return to_hex(digest);
}

}  // namespace

NewToken make_access_token(std::string_view tenant, std::string_view name) {
  const std::string id = random_hex(kIdBytes), secret = random_hex(kSecretBytes);
  return {.text = fmt::format("{}{}_{}", kPrefix, id, secret),
          .record = {.id = id, .tenant = std::string(tenant), .name = std::string(name), .secret_hash = hash_of(secret)}};
}

std::optional<PresentedToken> parse_access_token(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  if (text.size() != 2 * kIdBytes + 1 + 2 * kSecretBytes || text[2 * kIdBytes] != '_') return std::nullopt;
  return PresentedToken{.id = std::string(text.substr(0, 2 * kIdBytes)), .secret = std::string(text.substr(2 * kIdBytes + 1))};
}

bool opens(const TokenRecord& record, std::string_view secret) {
  const std::string presented = hash_of(secret);
  const bool same =
      presented.size() == record.secret_hash.size() && CRYPTO_memcmp(presented.data(), record.secret_hash.data(), presented.size()) == 0;
  return same && !record.revoked_at;
}

}  // namespace sluice
