#include "net/http.h"

#include <algorithm>
#include <future>

#include <curl/curl.h>

#include "base/ascii.h"

namespace sluice {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower_case(x) == lower_case(y); });
}

}  // namespace

std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> HttpResponse::header(std::string_view name) const { return find_header(headers, name); }

std::optional<Timestamp> parse_http_date(std::string_view text) {
  const time_t seconds = curl_getdate(std::string(text).c_str(), nullptr);
  return seconds < 0 ? std::nullopt : std::optional(Timestamp{int64_t{seconds} * 1'000'000});
}

Result<HttpResponse> send_now(HttpClient& client, HttpRequest request, Context& context) {
  // Shared: the client's thread may still be inside set_value when the answer has been taken here.
  auto promise = std::make_shared<std::promise<Result<HttpResponse>>>();
  std::future<Result<HttpResponse>> answer = promise->get_future();
  client.send(std::move(request), context, [promise](Result<HttpResponse> response) { promise->set_value(std::move(response)); });
  return answer.get();
}

}  // namespace sluice
