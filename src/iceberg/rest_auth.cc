#include "iceberg/rest_auth.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/aws_credentials.h"
#include "net/aws_settings.h"
#include "net/oauth2.h"
#include "net/sigv4.h"

namespace sluice {
namespace {

constexpr const char* kAuthorization = "Authorization";
constexpr std::string_view kBearer = "Bearer ";
constexpr const char* kServiceDefault = "execute-api";  // of rest.signing-name, as elsewhere: AWS's API gateway

class Nobody final : public RestAuth {
 public:
  Result<void> sign(HttpRequest&, Context&) override { return {}; }
  Result<bool> renew(const HttpRequest&, Context&) override { return false; }
};

class BearerAuth final : public RestAuth {
 public:
  BearerAuth(OAuth2Options options, HttpClient& client, Clock& clock) : tokens_(std::move(options), client, clock) {}

  Result<void> sign(HttpRequest& request, Context& context) override {
    TRY_ASSIGN(const std::string token, tokens_.token(context));
    std::erase_if(request.headers, [](const auto& header) { return header.first == kAuthorization; });
    request.headers.emplace_back(kAuthorization, std::string(kBearer) + token);
    return {};
  }

  Result<bool> renew(const HttpRequest& refused, Context& context) override {
    const auto sent = std::ranges::find(refused.headers, kAuthorization, &std::pair<std::string, std::string>::first);
    if (sent == refused.headers.end()) return false;
    TRY_ASSIGN(const auto token, tokens_.renewed(sent->second.substr(kBearer.size()), context));
    return token.has_value();
  }

 private:
  OAuth2Tokens tokens_;
};

/// Signs as AWS wants it. A bearer token that goes along moves to a header of its own.
class SigV4Auth final : public RestAuth {
 public:
  SigV4Auth(std::unique_ptr<RestAuth> inner, AwsCredentials configured, AwsSettings settings, const std::string& region,
            const std::string& service, HttpClient& client, Clock& clock)
      : inner_(std::move(inner)),
        credentials_(std::move(configured), std::move(settings), client, clock),
        signer_(region, service, clock) {}

  Result<void> sign(HttpRequest& request, Context& context) override {
    std::erase_if(request.headers, [](const auto& header) { return header.first == kOriginal; });
    TRY(inner_->sign(request, context));
    rename(request, kAuthorization, kOriginal);
    TRY_ASSIGN(const AwsCredentials credentials, credentials_.get(context));
    signer_.sign(request, credentials);
    return {};
  }

  Result<bool> renew(const HttpRequest& refused, Context& context) override {
    HttpRequest as_inner = refused;
    rename(as_inner, kOriginal, kAuthorization);
    return inner_->renew(as_inner, context);
  }

 private:
  static constexpr const char* kOriginal = "Original-Authorization";

  static void rename(HttpRequest& request, const char* from, const char* to) {
    for (auto& header : request.headers) {
      if (header.first == from) header.first = to;
    }
  }

  const std::unique_ptr<RestAuth> inner_;
  AwsCredentialChain credentials_;
  SigV4Signer signer_;
};

/// The first of these keys that is there.
std::string first_of(const std::map<std::string, std::string>& properties, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const auto at = properties.find(key); at != properties.end()) return at->second;
  }
  return "";
}

Result<std::unique_ptr<RestAuth>> make_sigv4_auth(const std::map<std::string, std::string>& properties, std::unique_ptr<RestAuth> inner,
                                                  HttpClient& client, Clock& clock) {
  TRY_ASSIGN(AwsSettings settings, AwsSettings::load(process_environment(), first_of(properties, {"client.profile-name"})));
  AwsCredentials configured{first_of(properties, {"rest.access-key-id", "client.access-key-id"}),
                            first_of(properties, {"rest.secret-access-key", "client.secret-access-key"}),
                            first_of(properties, {"rest.session-token", "client.session-token"})};
  std::string region = first_of(properties, {"rest.signing-region", "client.region"});
  if (region.empty()) region = settings.region();
  if (region.empty()) return invalid_input("rest.sigv4-enabled needs a region: set rest.signing-region, client.region or AWS_REGION");
  std::string service = first_of(properties, {"rest.signing-name"});
  if (service.empty()) service = kServiceDefault;
  return std::make_unique<SigV4Auth>(std::move(inner), std::move(configured), std::move(settings), region, service, client, clock);
}

bool wants_sigv4(const std::map<std::string, std::string>& properties) {
  return first_of(properties, {"rest.sigv4-enabled"}) == "true" || first_of(properties, {"rest.auth.type"}) == "sigv4";
}

}  // namespace

Result<std::unique_ptr<RestAuth>> make_rest_auth(const std::map<std::string, std::string>& properties, const std::string& uri,
                                                 HttpClient& client, Clock& clock) {
  const auto property = [&](const char* key, const std::string& otherwise) {
    const auto at = properties.find(key);
    return at == properties.end() ? otherwise : at->second;
  };
  OAuth2Options options;
  options.server_url = property("oauth2-server-uri", uri + "/v1/oauth/tokens");
  options.token = property("token", "");
  options.scope = property("scope", options.scope);
  options.audience = property("audience", ""), options.resource = property("resource", "");
  options.exchange = property("token-refresh-enabled", "true") != "false";
  const std::string credential = property("credential", "");
  const size_t colon = credential.find(':');
  options.client_secret = colon == std::string::npos ? credential : credential.substr(colon + 1);
  if (colon != std::string::npos) options.client_id = credential.substr(0, colon);
  if (!credential.empty() && options.client_secret.empty()) return invalid_input("credential: the secret after \":\" is missing");
  std::unique_ptr<RestAuth> auth;
  if (credential.empty() && options.token.empty()) {
    auth = std::make_unique<Nobody>();
  } else {
    auth = std::make_unique<BearerAuth>(std::move(options), client, clock);
  }
  if (wants_sigv4(properties)) return make_sigv4_auth(properties, std::move(auth), client, clock);
  return auth;
}

}  // namespace sluice
