// Who we are to a REST catalog: nobody, the holder of a bearer token, or an AWS identity that signs each request. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "net/http.h"

namespace sluice {

class RestAuth {
 public:
  virtual ~RestAuth() = default;
  /// Adds the headers that prove it; takes away those of an earlier attempt.
  virtual Result<void> sign(HttpRequest& request, Context& context) = 0;
  /// The server did not accept `refused` (401, 419): true where something was renewed, so that sending it again makes sense.
  virtual Result<bool> renew(const HttpRequest& refused, Context& context) = 0;
};

/// By the catalog's properties, named as elsewhere: `token`, `credential` (id:secret, or a secret alone), `oauth2-server-uri` (else
/// <uri>/v1/oauth/tokens), `scope`, `audience`, `resource`, `token-refresh-enabled`; `rest.sigv4-enabled`, `rest.signing-name`,
/// `rest.signing-region` (else client.region, AWS_REGION, the profile's) with AWS credentials from `rest.access-key-id`,
/// `rest.secret-access-key`, `rest.session-token` (or client.*), else from wherever the machine has them.
/// kInvalidInput names the property that does not fit.
Result<std::unique_ptr<RestAuth>> make_rest_auth(const std::map<std::string, std::string>& properties, const std::string& uri,
                                                 HttpClient& client, Clock& clock);

}  // namespace sluice
