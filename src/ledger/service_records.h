// What only a service keeps in the ledger: who may call it, and the answers to requests that may be repeated. Thread-safe; errors as in
// work_ledger.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace sluice {

/// A bearer token as the ledger knows it: never the token itself.
struct TokenRecord {
  std::string id;  ///< the public part of the token
  std::string tenant;
  std::string name;         ///< a label for people
  std::string secret_hash;  ///< SHA-256 of the secret part, hexadecimal
  Timestamp created_at;     ///< set by the ledger
  std::optional<Timestamp> revoked_at;
};

/// A request that carries an Idempotency-Key.
struct IdempotentRequest {
  std::string tenant;
  std::string key;
  std::string fingerprint;  ///< tells another request under the same key; not reversible
  std::string made_id;      ///< proposed id of what the request will make
};

enum class RequestStanding {
  kNew,           ///< carry it out, with `made_id`: also after a process died over it, then `made_id` is that of the first try
  kInProgress,    ///< somebody is at it
  kAnswered,      ///< `status` and `body` are the answer
  kOtherRequest,  ///< the key was used for another request
};

struct RequestMemory {
  RequestStanding standing = RequestStanding::kNew;
  std::string made_id;
  int status = 0;
  std::string body;
};

class ServiceRecords {
 public:
  virtual ~ServiceRecords() = default;

  virtual Result<void> add_token(const TokenRecord& token) = 0;
  /// Revoked ones too.
  virtual Result<std::optional<TokenRecord>> find_token(std::string_view id) = 0;
  /// Oldest first; an empty tenant: of all.
  virtual Result<std::vector<TokenRecord>> tokens(std::string_view tenant) = 0;
  /// Done before: no error. kNotFound: no such token.
  virtual Result<void> revoke_token(std::string_view id) = 0;

  /// Notes that the request is being carried out. One that began more than kRequestStaleAfter ago and has no answer is taken over.
  virtual Result<RequestMemory> begin_request(const IdempotentRequest& request) = 0;
  virtual Result<void> finish_request(std::string_view tenant, std::string_view key, int status, std::string_view body) = 0;
  /// Forgets a request that came to nothing, so that it may be tried again.
  virtual Result<void> drop_request(std::string_view tenant, std::string_view key) = 0;
  /// Forgets what began before; returns how many.
  virtual Result<int64_t> purge_requests(Timestamp before) = 0;
};

/// A request that takes longer has lost its process.
inline constexpr std::chrono::seconds kRequestStaleAfter{60};

}  // namespace sluice
