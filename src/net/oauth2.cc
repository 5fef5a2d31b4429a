#include "net/oauth2.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/backoff.h"
#include "net/url.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr int kAttemptsMax = 4;
constexpr auto kBackoffFirst = std::chrono::milliseconds(200);
constexpr auto kBackoffMax = std::chrono::seconds(5);
constexpr int64_t kRenewBeforeMaxS = 300;  // a token is renewed this long before its end, or at four fifths of a shorter life
constexpr int64_t kTokenAnswerBytesMax = kMiB;

constexpr const char* kExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr const char* kAccessToken = "urn:ietf:params:oauth:token-type:access_token";

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<uint32_t>(c - '0') + 52;
    } else if (c == '-' || c == '_') {
      value = c == '-' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | value, count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

/// What the server said, without anything that it may have repeated of the request: only the two fields of RFC 6749.
std::string said(const HttpResponse& response) {
  const json answer = json::parse(response.body, nullptr, false);
  std::string text = fmt::format("status {}", response.status);
  if (!answer.is_object()) return text;
  for (const char* key : {"error", "error_description"}) {
    if (const auto at = answer.find(key); at != answer.end() && at->is_string()) text += ", " + at->get<std::string>();
  }
  return text;
}

}  // namespace

std::optional<int64_t> jwt_expiry(const std::string& token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string::npos ? first : token.find('.', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const auto text = decode_base64url(std::string_view(token).substr(first + 1, second - first - 1));
  const json claims = json::parse(text.value_or(""), nullptr, false);
  if (!claims.is_object() || !claims.contains("exp") || !claims["exp"].is_number()) return std::nullopt;
  return claims["exp"].get<int64_t>();
}

OAuth2Tokens::OAuth2Tokens(OAuth2Options options, HttpClient& client, Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock) {
  if (!options_.token.empty()) keep(options_.token, std::nullopt);
}

Result<std::string> OAuth2Tokens::token(Context& context) {
  const std::lock_guard lock(mutex_);
  const bool due = token_.empty() || (renew_at_ && clock_.monotonic_micros() >= *renew_at_);
  if (due && (token_.empty() || can_renew())) {
    auto asked = ask(context);
    // One that still holds is better than none: the server says when it does not any more.
    if (!asked && token_.empty()) return std::unexpected(asked.error());
  }
  return token_;
}

Result<std::optional<std::string>> OAuth2Tokens::renewed(const std::string& refused, Context& context) {
  const std::lock_guard lock(mutex_);
  if (token_ != refused) return token_;
  if (!can_renew()) return std::nullopt;
  TRY(ask(context));
  return token_;
}

void OAuth2Tokens::keep(std::string token, std::optional<int64_t> lifetime_s) {
  token_ = std::move(token);
  renew_at_.reset();
  if (!lifetime_s) {
    if (const auto end = jwt_expiry(token_)) lifetime_s = *end - clock_.now().micros / 1'000'000;
  }
  if (!lifetime_s) return;
  const int64_t life = std::max<int64_t>(*lifetime_s, 0);
  renew_at_ = clock_.monotonic_micros() + (life - std::min(life / 5, kRenewBeforeMaxS)) * 1'000'000;
}

Result<void> OAuth2Tokens::ask(Context& context) {
  std::vector<std::pair<std::string, std::string>> form;
  HttpRequest request{.method = "POST", .url = options_.server_url, .response_bytes_max = kTokenAnswerBytesMax};
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  if (!options_.client_secret.empty()) {
    form = {{"grant_type", "client_credentials"}, {"client_secret", options_.client_secret}};
    if (!options_.client_id.empty()) form.emplace_back("client_id", options_.client_id);
  } else {
    form = {{"grant_type", kExchange}, {"subject_token", token_}, {"subject_token_type", kAccessToken}};
    request.headers.emplace_back("Authorization", "Bearer " + token_);
  }
  for (const auto& [name, value] : {std::pair("scope", options_.scope), {"audience", options_.audience}, {"resource", options_.resource}}) {
    if (!value.empty()) form.emplace_back(name, value);
  }
  request.body = std::make_shared<const std::string>(encode_pairs(form));

  const std::string where = "token server " + shown_url(options_.server_url);
  Backoff backoff(kBackoffFirst, kBackoffMax);
  for (int attempt = 1;; ++attempt) {
    auto answer = send_now(client_, request, context);
    if (answer && answer->status == 200) {
      const json body = json::parse(answer->body, nullptr, false);
      if (!body.is_object() || !body.contains("access_token") || !body["access_token"].is_string()) {
        return invalid_input(where + ": its answer holds no access_token");
      }
      std::optional<int64_t> lifetime_s;
      if (body.contains("expires_in") && body["expires_in"].is_number()) lifetime_s = body["expires_in"].get<int64_t>();
      keep(body["access_token"].get<std::string>(), lifetime_s);
      return {};
    }
    if (answer && answer->status < 500 && answer->status != 429) {
      return invalid_input(
          fmt::format("{} refused the credentials ({}); check `credential` and `scope` of the catalog", where, said(*answer)));
    }
    const bool lasting = !answer && (answer.error().code == ErrorCode::kInvalidInput || answer.error().code == ErrorCode::kCancelled);
    if (lasting) return std::unexpected(answer.error().within(where));
    if (attempt == kAttemptsMax || !clock_.sleep(backoff.next(), context.stop)) {
      TRY(context.check());
      return fail(ErrorCode::kUnavailable, fmt::format("{}: {}", where, answer ? said(*answer) : answer.error().message));
    }
  }
}

}  // namespace sluice
