// From an HTTP request to its answer: route, caller, limits, schemas, repeated requests; then the call. Thread-safe.
#pragma once

#include <atomic>

#include "service/calls.h"
#include "service/rate_limit.h"

namespace sluice {

class ApiService {
 public:
  ApiService(const ServiceParts& parts, Assembly& assembly, std::function<void()> wake);

  /// Never throws; secrets that are known never get into an answer.
  HttpResponse answer(const HttpRequest& request);

 private:
  HttpResponse route(const HttpRequest& request, std::string& operation_id);
  /// Who calls; an answer (401, 503) where that cannot be told.
  std::expected<Caller, HttpResponse> caller_of(const HttpRequest& request, const Operation& operation);
  HttpResponse once(const HttpRequest& request, Call& call);
  HttpResponse carry_out(const Call& call);
  /// Whether tokens are asked for. Under Auth::kAuto from the first token on, and then until the process ends.
  Result<bool> asks_for_tokens();

  const ServiceParts& parts_;
  Assembly& assembly_;
  Calls calls_;
  RateLimit rate_;
  std::atomic<bool> asks_for_tokens_;
};

/// The operation of a method and a path, and the id in it. `allowed`: methods that the path has. Pure.
struct Route {
  const Operation* operation = nullptr;
  std::string id;
  std::string allowed;  ///< "GET, POST"; empty: no such path
};
Route find_route(std::string_view method, std::string_view path);

/// A JSON object, at most kNestingMax deep; an empty body is {}. kInvalidInput says what is wrong.
Result<nlohmann::json> parse_body(const std::string& body);
inline constexpr int kNestingMax = 32;

}  // namespace sluice
