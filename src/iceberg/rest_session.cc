#include "iceberg/rest_session.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include "base/backoff.h"

namespace sluice {
namespace {

constexpr int kAttemptsMax = 5;
constexpr auto kBackoffFirst = std::chrono::milliseconds(100);
constexpr auto kBackoffMax = std::chrono::seconds(10);
constexpr auto kRetryAfterMax = std::chrono::seconds(60);  // a server that asks for more is left to the next run
constexpr size_t kMessageBytesMax = 500;

/// Seconds, or nullopt: none, or a date (which no catalog is known to send).
std::optional<std::chrono::seconds> retry_after(const HttpResponse& response) {
  const auto header = response.header("Retry-After");
  if (!header) return std::nullopt;
  int seconds = 0;
  const auto end = std::from_chars(header->data(), header->data() + header->size(), seconds);
  if (end.ec != std::errc() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

enum class Next { kTakeAnswer, kAgain, kAgainWithFreshToken };

Next next_after(const Result<HttpResponse>& answer, RestEffect effect) {
  if (!answer) {
    if (answer.error().code == ErrorCode::kUnavailable) return Next::kAgain;
    return answer.error().code == ErrorCode::kOutcomeUnknown && effect == RestEffect::kRead ? Next::kAgain : Next::kTakeAnswer;
  }
  if (answer->status == 401 || answer->status == 419) return Next::kAgainWithFreshToken;
  if (answer->status == 429) return Next::kAgain;
  return answer->status >= 500 && effect == RestEffect::kRead ? Next::kAgain : Next::kTakeAnswer;
}

}  // namespace

Result<HttpResponse> RestSession::send(HttpRequest request, RestEffect effect, Context& context) {
  request.headers.emplace_back("Accept", "application/json");
  if (request.body) request.headers.emplace_back("Content-Type", "application/json");
  request.headers.insert(request.headers.end(), headers_.begin(), headers_.end());
  Backoff backoff(kBackoffFirst, kBackoffMax);
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    TRY(auth_->sign(request, context));
    auto answer = send_now(client_, request, context);
    const Next next = next_after(answer, effect);
    if (next == Next::kTakeAnswer) return answer;
    if (next == Next::kAgainWithFreshToken) {
      if (renewed) return answer;
      TRY_ASSIGN(renewed, auth_->renew(request, context));
      if (!renewed) return answer;
      continue;
    }
    std::chrono::microseconds wait = backoff.next();
    if (answer) wait = std::max<std::chrono::microseconds>(wait, retry_after(*answer).value_or(std::chrono::seconds(0)));
    const bool is_late = context.deadline && clock_.now() >= *context.deadline;
    if (attempt == kAttemptsMax || wait > kRetryAfterMax || is_late) {
      if (answer || answer.error().code == ErrorCode::kUnavailable) return answer;
      return fail(ErrorCode::kUnavailable, answer.error().message);  // of a read: as good as not carried out
    }
    if (!clock_.sleep(wait, context.stop)) return fail(ErrorCode::kCancelled, "stopped on request");
  }
}

bool speaks_iceberg(const HttpResponse& response) {
  const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
  return body.is_object() && body.contains("error") && body["error"].is_object();
}

std::string said_by(const HttpResponse& response) {
  std::string text = fmt::format("status {}", response.status);
  const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("error") || !body["error"].is_object()) return text;
  const auto& error = body["error"];
  const auto part = [&](const char* key) { return error.contains(key) && error[key].is_string() ? error[key].get<std::string>() : ""; };
  std::string message = part("message");
  message.resize(std::min(message.size(), message.find('\n')));
  if (message.size() > kMessageBytesMax) {
    size_t end = kMessageBytesMax;
    while ((static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) --end;  // never inside a character
    message.resize(end);
  }
  return fmt::format("{} ({}{}{})", text, part("type"), message.empty() ? "" : ": ", message);
}

Error error_of(const HttpResponse& response, std::string_view what) {
  const std::string text = fmt::format("{}: {}", what, said_by(response));
  switch (response.status) {
    case 401:
    case 419: return {ErrorCode::kInvalidInput, text + "; check the catalog's `token` or `credential`"};
    case 403: return {ErrorCode::kInvalidInput, text + "; the catalog's identity lacks a right, or its credentials are wrong"};
    case 404: return {ErrorCode::kNotFound, text};
    case 409: return {ErrorCode::kConflict, text};
    case 429: return {ErrorCode::kUnavailable, text};
    default: return {response.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalidInput, text};
  }
}

}  // namespace sluice
