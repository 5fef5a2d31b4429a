// Bearer tokens of OAuth2 as Iceberg's REST catalogs use it: client credentials, a token given from outside, token exchange. Thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "net/http.h"

namespace sluice {

struct OAuth2Options {
  std::string server_url;     ///< where tokens are asked for
  std::string client_id;      ///< may be empty: the secret alone
  std::string client_secret;  ///< empty: there are no client credentials
  std::string token;          ///< to begin with; empty: the first is asked for
  bool exchange = true;       ///< a token of known expiry, without client credentials, is exchanged for a new one before it ends
  std::string scope = "catalog";
  std::string audience, resource;  ///< sent where not empty
};

/// One identity's token. Asked for once however many threads wait for it, and renewed before it ends.
class OAuth2Tokens {
 public:
  /// References must outlive this.
  OAuth2Tokens(OAuth2Options options, HttpClient& client, Clock& clock);

  /// A token that is good for a while yet. kInvalidInput: the server refused the credentials; kUnavailable: it cannot be asked now.
  Result<std::string> token(Context& context);

  /// A server said no (401, 419) to `refused`: another one, unless there is no way to get one (nullopt). Threads that were refused
  /// the same token cause one request together.
  Result<std::optional<std::string>> renewed(const std::string& refused, Context& context);

 private:
  bool can_renew() const { return !options_.client_secret.empty() || (options_.exchange && renew_at_.has_value()); }
  Result<void> ask(Context& context);
  void keep(std::string token, std::optional<int64_t> lifetime_s);

  const OAuth2Options options_;
  HttpClient& client_;
  Clock& clock_;
  std::mutex mutex_;  // held while asking: the others wait for that answer
  // Protected by mutex_.
  std::string token_;
  std::optional<int64_t> renew_at_;  // monotonic microseconds; nullopt: its end is not known
};

/// Seconds since 1970 of a JWT's "exp"; nullopt: no JWT, or none in it.
std::optional<int64_t> jwt_expiry(const std::string& token);

}  // namespace sluice
