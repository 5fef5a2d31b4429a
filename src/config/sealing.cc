#include "config/sealing.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/hex.h"
#include "net/digest.h"

namespace sluice {
namespace {

constexpr int kNonceBytes = 12;
constexpr int kTagBytes = 16;
constexpr size_t kKeyIdCharacters = 16;
constexpr std::string_view kFormat = "v1.";

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// The key's file, whole or not there: written under another name and linked into place.
Result<void> make_key_file(const std::string& path) {
  std::error_code ignored;  // opening the file says why not
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string draft = fmt::format("{}.{}", path, getpid());
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return invalid_input(fmt::format("{}: the sealing key cannot be made: {}", path, std::strerror(errno)));
  std::string key(32, '\0');
  if (RAND_bytes(bytes_of(key), static_cast<int>(key.size())) != 1) std::abort();  // without randomness nothing is secret
  const std::string text = to_hex(key) + "\n";
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  ::close(file);
  const bool linked = written && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  ::unlink(draft.c_str());
  if (!linked) return invalid_input(fmt::format("{}: the sealing key cannot be written", path));
  return {};
}

}  // namespace

SealingKey::SealingKey(const std::array<unsigned char, kKeyBytes>& key) : key_(key) {
  id_ = fingerprint("sluice key id").substr(0, kKeyIdCharacters);
}

SealingKey SealingKey::make() {
  std::array<unsigned char, kKeyBytes> key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) std::abort();  // without randomness nothing is secret
  return SealingKey(key);
}

Result<SealingKey> SealingKey::load_or_make(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) TRY(make_key_file(path));
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return invalid_input(fmt::format("{}: the sealing key cannot be read", path));
  if ((status.st_mode & 077) != 0) {
    return invalid_input(fmt::format("{}: the sealing key is open to other users of this machine: chmod 600 {}", path, path));
  }
  std::ifstream in(path);
  std::string text;
  std::getline(in, text);
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != kKeyBytes) {
    return invalid_input(fmt::format("{}: holds no sealing key (64 hexadecimal digits, as `openssl rand -hex 32` makes them)", path));
  }
  std::array<unsigned char, kKeyBytes> key;
  std::memcpy(key.data(), bytes->data(), kKeyBytes);
  return SealingKey(key);
}

std::string SealingKey::seal(std::string_view text, std::string_view bound_to) const {
  std::string sealed(kNonceBytes + text.size() + kTagBytes, '\0');
  unsigned char* nonce = bytes_of(sealed);
  unsigned char* body = nonce + kNonceBytes;
  if (RAND_bytes(nonce, kNonceBytes) != 1) std::abort();  // without randomness nothing is secret
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce);
  EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(bound_to), static_cast<int>(bound_to.size()));
  EVP_EncryptUpdate(cipher.get(), body, &length, bytes_of(text), static_cast<int>(text.size()));
  EVP_EncryptFinal_ex(cipher.get(), body + length, &length);
  EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, body + text.size());
  return fmt::format("{}{}.{}", kFormat, id_, to_hex(sealed));
}

Result<std::string> SealingKey::open(std::string_view sealed, std::string_view bound_to) const {
  const auto damaged = fail(ErrorCode::kCorruption, "the sealed secrets were changed or belong to something else");
  if (!sealed.starts_with(kFormat)) return damaged;
  sealed.remove_prefix(kFormat.size());
  const std::string_view key_id = sealed.substr(0, sealed.find('.'));
  if (key_id != id_) {
    return invalid_input(
        fmt::format("the secrets were sealed with key {}, this is key {}: name its file with SLUICE_KEY_FILE", key_id, id_));
  }
  sealed.remove_prefix(std::min(sealed.size(), key_id.size() + 1));
  auto bytes = from_hex(sealed);
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return damaged;
  const size_t text_bytes = bytes->size() - kNonceBytes - kTagBytes;
  const unsigned char* nonce = bytes_of(*bytes);
  std::string text(text_bytes, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce);
  EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(bound_to), static_cast<int>(bound_to.size()));
  EVP_DecryptUpdate(cipher.get(), bytes_of(text), &length, nonce + kNonceBytes, static_cast<int>(text_bytes));
  EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes_of(*bytes) + kNonceBytes + text_bytes);
  if (EVP_DecryptFinal_ex(cipher.get(), bytes_of(text) + length, &length) != 1) return damaged;
  return text;
}

std::string SealingKey::fingerprint(std::string_view text) const {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), bytes_of(text), text.size(), bytes_of(digest), &length);
  digest.resize(length);
  return to_hex(digest);
}

void seal_sources(const SealingKey& key, Ingestion& ingestion) {
  nlohmann::json secrets = nlohmann::json::object();
  for (const Source& source : ingestion.sources) {
    for (const auto& [name, value] : source.store) {
      if (may_be_secret(name)) secrets[source.id.text][name] = value;
    }
  }
  ingestion.sealed = secrets.empty() ? "" : key.seal(secrets.dump(), ingestion.id.text);
}

Result<void> open_sources(const SealingKey& key, Ingestion& ingestion) {
  if (ingestion.sealed.empty()) return {};
  auto text = key.open(ingestion.sealed, ingestion.id.text);
  if (!text) return std::unexpected(text.error().within(fmt::format("ingestion {}", ingestion.name)));
  const auto secrets = nlohmann::json::parse(*text, nullptr, false);
  for (Source& source : ingestion.sources) {
    const auto found = secrets.find(source.id.text);
    if (found == secrets.end()) continue;
    for (const auto& [name, value] : found->items()) source.store[name] = value.get<std::string>();
  }
  OPENSSL_cleanse(text->data(), text->size());
  return {};
}

}  // namespace sluice
