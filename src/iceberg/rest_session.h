// Requests to one REST catalog: signed, and sent again where that is safe. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "iceberg/rest_auth.h"
#include "net/http.h"

namespace sluice {

/// Whether carrying a request out twice may differ from once.
enum class RestEffect { kRead, kWrite };

class RestSession {
 public:
  /// `headers` go with every request. References must outlive this.
  RestSession(HttpClient& client, std::shared_ptr<RestAuth> auth, HttpHeaders headers, Clock& clock)
      : client_(client), auth_(std::move(auth)), headers_(std::move(headers)), clock_(clock) {}

  /// Sends again what was not carried out: no connection, 429 (waits as long as Retry-After says), 401 and 419 once, with a fresh token.
  /// A read also after 5xx and after a lost answer. Everything else is the answer, whatever its status.
  /// Errors: kUnavailable: nothing was carried out; kOutcomeUnknown (writes): no whole answer came; kInvalidInput; kCancelled.
  Result<HttpResponse> send(HttpRequest request, RestEffect effect, Context& context);

 private:
  HttpClient& client_;
  const std::shared_ptr<RestAuth> auth_;
  const HttpHeaders headers_;
  Clock& clock_;
};

/// The answer is the catalog's own: its body is an error as the specification draws it. A gateway's 404 is not.
bool speaks_iceberg(const HttpResponse& response);

/// What the server said: "status 404 (NoSuchTableException: Table does not exist: ns.t)".
std::string said_by(const HttpResponse& response);

/// An answer that is no success as an error, for requests that are known not to have been carried out, and for reads. `what` begins the
/// message. 401, 403 and 419 name the way out.
Error error_of(const HttpResponse& response, std::string_view what);

}  // namespace sluice
