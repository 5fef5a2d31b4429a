// Where AwsCredentialChain looks, in its order.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "net/aws_credentials.h"
#include "net/percent.h"

namespace sluice {
namespace {

constexpr auto kAskTimeout = std::chrono::milliseconds(2'000);  // metadata endpoints are on the machine itself
constexpr auto kStsTimeout = std::chrono::milliseconds(10'000);
constexpr int kAskAttemptsMax = 3;  // a machine that has no such endpoint is not asked again
constexpr auto kAskDelay = std::chrono::milliseconds(200);
constexpr int64_t kCredentialsAnswerBytesMax = 256 * kKiB;
constexpr std::string_view kContainerHost = "http://169.254.170.2";
constexpr std::string_view kInstanceHost = "http://169.254.169.254";
constexpr std::string_view kInstanceTokenSeconds = "21600";
constexpr std::string_view kInstancePath = "/latest/meta-data/iam/security-credentials/";
constexpr std::string_view kDefaultRegion = "us-east-1";

constexpr std::string_view kNoCredentials =
    "there are no AWS credentials: set s3.access-key-id and s3.secret-access-key, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, "
    "or s3.anonymous: true for a public bucket";

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  if (!(text << file.rdbuf())) return invalid_input(fmt::format("the token file {} cannot be read", path));
  std::string token = text.str();
  token.erase(token.find_last_not_of(" \t\r\n") + 1);
  return token;
}

/// {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}
Result<AwsCredentials> parse_credentials(std::string_view who, std::string_view body) {
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  const auto text = [&](const char* key) {
    const auto at = json.is_object() ? json.find(key) : json.end();
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  AwsCredentials credentials{text("AccessKeyId"), text("SecretAccessKey"), text("Token"), parse_timestamp(text("Expiration"))};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return fail(ErrorCode::kUnavailable, fmt::format("{} answered without credentials", who));
  }
  return credentials;
}

/// Only hosts that cannot be somebody else's may be asked without TLS: the request carries a token.
bool may_be_asked(std::string_view url) {
  if (url.starts_with("https://")) return true;
  const std::string host = host_header(url);
  const std::string_view name = std::string_view(host).substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':'));
  const bool is_loopback = name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string_view::npos;
  return name == "localhost" || is_loopback || name == "[::1]" || name == "169.254.170.2" || name == "169.254.170.23" ||
         name == "[fd00:ec2::23]";
}

}  // namespace

Result<AwsCredentials> AwsCredentialChain::fetch(Context& context) {
  if (!configured_.access_key_id.empty() || !configured_.secret_access_key.empty()) {
    if (configured_.access_key_id.empty() || configured_.secret_access_key.empty()) {
      return invalid_input("s3.access-key-id and s3.secret-access-key go together; one of them is missing");
    }
    return configured_;
  }
  if (!settings_.profile_is_explicit()) {
    const auto id = settings_.variable("AWS_ACCESS_KEY_ID"), secret = settings_.variable("AWS_SECRET_ACCESS_KEY");
    if (id && secret) return AwsCredentials{*id, *secret, settings_.variable("AWS_SESSION_TOKEN").value_or("")};
    const auto token_file = settings_.variable("AWS_WEB_IDENTITY_TOKEN_FILE"), role = settings_.variable("AWS_ROLE_ARN");
    if (token_file && role) return from_web_identity(*token_file, *role, settings_.variable("AWS_ROLE_SESSION_NAME").value_or(""), context);
  }
  return from_profile(context);
}

Result<AwsCredentials> AwsCredentialChain::from_profile(Context& context) {
  const auto id = settings_.profile_value("aws_access_key_id"), secret = settings_.profile_value("aws_secret_access_key");
  if (id && secret) return AwsCredentials{*id, *secret, settings_.profile_value("aws_session_token").value_or("")};
  const auto token_file = settings_.profile_value("web_identity_token_file"), role = settings_.profile_value("role_arn");
  if (token_file && role) return from_web_identity(*token_file, *role, settings_.profile_value("role_session_name").value_or(""), context);
  for (const char* key : {"credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source"}) {
    if (!settings_.profile_value(key)) continue;
    return invalid_input(fmt::format(
        "the AWS profile \"{}\" uses {}, which is not supported; `aws configure export-credentials --format env` makes variables of it",
        settings_.profile(), key));
  }
  if (settings_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || settings_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    return from_container(context);
  }
  return from_instance(context);
}

Result<AwsCredentials> AwsCredentialChain::from_web_identity(const std::string& token_file, const std::string& role,
                                                             const std::string& session, Context& context) {
  TRY_ASSIGN(const std::string token, read_token(token_file));  // each time: it is renewed in place
  const std::string region = settings_.region().empty() ? std::string(kDefaultRegion) : settings_.region();
  std::string url = settings_.endpoint_url("STS");
  if (url.empty()) url = fmt::format("https://sts.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
  const std::string form =
      fmt::format("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
                  percent_encode(role), percent_encode(session.empty() ? "sluice" : session), percent_encode(token));
  TRY_ASSIGN(const HttpResponse response, ask({.method = "POST",
                                               .url = url + "/",
                                               .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                                               .body = std::make_shared<const std::string>(form),
                                               .total_timeout = kStsTimeout},
                                              context, kAskAttemptsMax));
  pugi::xml_document document;
  document.load_buffer(response.body.data(), response.body.size());
  if (response.status != 200) {
    const std::string message = document.select_node("//Message").node().text().as_string();
    return invalid_input(fmt::format("assuming {} with the token in {}: {} {}", role, token_file, response.status, message));
  }
  const pugi::xml_node node = document.select_node("//Credentials").node();
  AwsCredentials credentials{node.child_value("AccessKeyId"), node.child_value("SecretAccessKey"), node.child_value("SessionToken"),
                             parse_timestamp(node.child_value("Expiration"))};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return fail(ErrorCode::kUnavailable, fmt::format("assuming {}: {} answered without credentials", role, url));
  }
  return credentials;
}

Result<AwsCredentials> AwsCredentialChain::from_container(Context& context) {
  const auto relative = settings_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url =
      relative ? std::string(kContainerHost) + *relative : settings_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").value_or("");
  if (!may_be_asked(url)) {
    return invalid_input(
        fmt::format("AWS_CONTAINER_CREDENTIALS_FULL_URI {}: without TLS only this machine's own endpoints may be asked", url));
  }
  HttpRequest request{.url = url, .total_timeout = kAskTimeout};
  if (const auto file = settings_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    TRY_ASSIGN(const std::string token, read_token(*file));
    request.headers.emplace_back("Authorization", token);
  } else if (const auto token = settings_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")) {
    request.headers.emplace_back("Authorization", *token);
  }
  TRY_ASSIGN(const HttpResponse response, ask(std::move(request), context, kAskAttemptsMax));
  if (response.status != 200) {
    return invalid_input(fmt::format("the container's credentials at {}: status {}", url, response.status));
  }
  return parse_credentials("the container's credentials endpoint", response.body);
}

Result<AwsCredentials> AwsCredentialChain::from_instance(Context& context) {
  if (settings_.variable("AWS_EC2_METADATA_DISABLED") == "true") return invalid_input(std::string(kNoCredentials));
  std::string host = settings_.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(std::string(kInstanceHost));
  while (host.ends_with('/')) host.pop_back();
  auto token = ask({.method = "PUT",
                    .url = host + "/latest/api/token",
                    .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", std::string(kInstanceTokenSeconds)}},
                    .total_timeout = kAskTimeout},
                   context, latest() ? kAskAttemptsMax : 1);
  if (!token && token.error().code == ErrorCode::kCancelled) return std::unexpected(token.error());
  if (!token || token->status != 200) {
    // No instance, or one that was asked before and does not answer now: only the first means that there are none.
    if (!latest()) return invalid_input(std::string(kNoCredentials));
    return fail(ErrorCode::kUnavailable, "the instance's metadata service does not answer");
  }
  const HttpHeaders headers = {{"X-aws-ec2-metadata-token", token->body}};
  const auto get = [&](const std::string& url) -> Result<std::string> {
    TRY_ASSIGN(HttpResponse response, ask({.url = url, .headers = headers, .total_timeout = kAskTimeout}, context, kAskAttemptsMax));
    if (response.status == 404) return invalid_input(std::string(kNoCredentials));
    if (response.status != 200) return fail(ErrorCode::kUnavailable, fmt::format("{}: status {}", url, response.status));
    return std::move(response.body);
  };
  TRY_ASSIGN(const std::string roles, get(host + std::string(kInstancePath)));
  const std::string role = roles.substr(0, roles.find('\n'));
  TRY_ASSIGN(const std::string body, get(host + std::string(kInstancePath) + role));
  return parse_credentials("the instance's metadata service", body);
}

/// Asking for credentials changes nothing: it may be repeated.
Result<HttpResponse> AwsCredentialChain::ask(HttpRequest request, Context& context, int attempts_max) {
  request.response_bytes_max = kCredentialsAnswerBytesMax;
  for (int attempt = 1;; ++attempt) {
    auto response = send_now(http_, request, context);
    const bool in_trouble = response
                                ? response->status >= 500 || response->status == 429
                                : response.error().code == ErrorCode::kUnavailable || response.error().code == ErrorCode::kOutcomeUnknown;
    if (!in_trouble || attempt == attempts_max) {
      if (!response && response.error().code == ErrorCode::kOutcomeUnknown) response.error().code = ErrorCode::kUnavailable;
      return response;
    }
    request.delay = kAskDelay * attempt;
  }
}

}  // namespace sluice
