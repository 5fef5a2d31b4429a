// Source secrets at rest: sealed with AES-256-GCM under a key that lies in a file, never in the ledger. A value; thread-safe.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

class SealingKey {
 public:
  /// Reads the key file; makes it (32 random bytes in hexadecimal, mode 0600) where it is missing. Of several programs that make it at
  /// once one wins, and all read that one. kInvalidInput: unreadable, no key in it, or open to other users of the machine.
  static Result<SealingKey> load_or_make(const std::string& path);
  /// A random key that is gone with the process (tests).
  static SealingKey make();

  /// Names the key without telling it: a wrong key is recognised before anything is tried.
  const std::string& id() const { return id_; }

  /// "v1.<key id>.<hex of nonce, text and tag>". `bound_to` must be the same when it is opened: what was sealed for one ingestion is
  /// worth nothing in another's row.
  std::string seal(std::string_view text, std::string_view bound_to) const;
  /// kInvalidInput: sealed with another key (both ids are named); kCorruption: changed since, or bound to something else.
  Result<std::string> open(std::string_view sealed, std::string_view bound_to) const;

  /// HMAC-SHA256 in hexadecimal: tells texts apart without making them guessable.
  std::string fingerprint(std::string_view text) const;

 private:
  static constexpr size_t kKeyBytes = 32;
  explicit SealingKey(const std::array<unsigned char, kKeyBytes>& key);

  std::array<unsigned char, kKeyBytes> key_;
  std::string id_;
};

/// Puts the properties of the sources that may be secret into `ingestion.sealed`. The ingestion must carry its id.
void seal_sources(const SealingKey& key, Ingestion& ingestion);
/// Puts them back into the sources. Errors as SealingKey::open, naming the ingestion.
Result<void> open_sources(const SealingKey& key, Ingestion& ingestion);

}  // namespace sluice
