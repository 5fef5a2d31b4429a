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
  ServerResponse answer(const ServerRequest& request);

 private:
  ServerResponse route(const ServerRequest& request, std::string& operation_id);
  /// Who calls; an answer (401, 503) where that cannot be told.
  std::expected<Caller, ServerResponse> caller_of(const ServerRequest& request, const Operation& operation);
  ServerResponse once(const ServerRequest& request, Call& call);
  ServerResponse carry_out(const Call& call);
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
