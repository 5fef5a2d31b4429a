#include "service/api_service.h"

#include <fmt/format.h>

#include <charconv>
#include <exception>
#include <set>

#include "api/json_schema.h"
#include "config/access_token.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr std::string_view kBearer = "Bearer ";
constexpr size_t kIdempotencyKeyBytesMax = 200;

std::string header(const ServerRequest& request, std::string_view name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

json details_of(const std::vector<FieldError>& errors) {
  json details = json::array();
  for (const FieldError& error : errors) details.push_back({{"field", error.field}, {"reason", error.reason}});
  return details;
}

bool is_parameter_of(const Operation& operation, std::string_view name) {
  const std::string_view names = operation.query;
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.find(' ', begin), names.size());
    if (names.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

/// A parameter's text as the value that its schema speaks of.
json value_of(const std::string& text, const json& schema) {
  if (schema["type"] != "integer") return text;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return text;
  return number;
}

std::vector<FieldError> read_query(const ServerRequest& request, Call& call) {
  std::vector<FieldError> errors;
  for (const auto& [given, value] : request.query) {
    const bool files = call.operation.id == "listFiles" && given == "status";
    const std::string name = files ? "file_status" : given;
    if ((given == "file_status") || !is_parameter_of(call.operation, name)) {
      errors.push_back({given, "is unknown"});
    } else if (!call.query.emplace(name, value).second) {
      errors.push_back({given, "is given twice"});
    } else {
      for (FieldError error : schema_errors(value_of(value, query_schema(name)), query_schema(name), openapi_document())) {
        errors.push_back({given, std::move(error.reason)});
      }
    }
  }
  return errors;
}

/// nullopt: as it should be.
std::optional<ServerResponse> read_body(const ServerRequest& request, Call& call) {
  if (!request.body.empty() && !call.operation.request.empty()) {
    const std::string type = header(request, "content-type");
    if (!type.empty() && !type.starts_with("application/json")) {
      return error_response(415, "invalid_input", fmt::format("Content-Type {}: send application/json", type));
    }
  }
  auto body = parse_body(call.operation.request.empty() ? "" : request.body);
  if (!body) return error_response(400, "invalid_input", body.error().message);
  call.body = *std::move(body);
  if (call.operation.request.empty()) return std::nullopt;
  const json schema = {{"$ref", fmt::format("#/components/schemas/{}", call.operation.request)}};
  const auto errors = schema_errors(call.body, schema, openapi_document());
  if (errors.empty()) return std::nullopt;
  std::string message =
      fmt::format("the request is not valid: {}{}{}", errors[0].field, errors[0].field.empty() ? "" : " ", errors[0].reason);
  return error_response(400, "invalid_input", message, details_of(errors));
}

}  // namespace

Route find_route(std::string_view method, std::string_view path) {
  constexpr std::string_view kId = "{id}";
  if (method == "HEAD") method = "GET";
  Route route;
  for (const Operation& operation : operations()) {
    const size_t at = operation.path.find(kId);
    std::string id;
    if (at == std::string_view::npos) {
      if (path != operation.path) continue;
    } else {
      const std::string_view before = operation.path.substr(0, at), after = operation.path.substr(at + kId.size());
      if (!path.starts_with(before) || !path.ends_with(after) || path.size() <= before.size() + after.size()) continue;
      id = path.substr(before.size(), path.size() - before.size() - after.size());
      if (id.find('/') != std::string::npos) continue;
    }
    if (!route.allowed.empty()) route.allowed += ", ";
    route.allowed += operation.method;
    if (operation.method != method) continue;
    route.operation = &operation;
    route.id = std::move(id);
  }
  return route;
}

Result<json> parse_body(const std::string& body) {
  if (body.empty()) return json::object();
  bool too_deep = false;
  const auto watch = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kNestingMax;
    return !too_deep;
  };
  json parsed = json::parse(body, watch, false);
  if (too_deep) return invalid_input(fmt::format("the body is nested deeper than {} levels", kNestingMax));
  if (parsed.is_discarded()) return invalid_input("the body is no JSON");
  if (!parsed.is_object()) return invalid_input(fmt::format("the body is no JSON object but a JSON {}", parsed.type_name()));
  return parsed;
}

ApiService::ApiService(const ServiceParts& parts, Assembly& assembly, std::function<void()> wake)
    : parts_(parts),
      assembly_(assembly),
      calls_(parts, assembly, std::move(wake)),
      rate_(parts.clock, parts.options.requests_per_second_max),
      asks_for_tokens_(parts.options.auth == Auth::kTokens) {}

ServerResponse ApiService::answer(const ServerRequest& request) {
  const std::string request_id = new_uuid();
  const int64_t began = parts_.clock.monotonic_micros();
  std::string operation = "none";
  ServerResponse response;
  try {
    response = route(request, operation);
  } catch (const std::exception& error) {
    parts_.log.write(LogLevel::kError, "request", {{"request_id", request_id}, {"error", std::string(error.what())}});
    response = error_response(500, "internal", fmt::format("something went wrong; the log has it under request {}", request_id));
  }
  response.body = parts_.redaction.apply(std::move(response.body));
  response.headers.emplace_back("X-Request-Id", request_id);
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  const double seconds = static_cast<double>(parts_.clock.monotonic_micros() - began) / 1e6;
  parts_.metrics.request_done(operation, response.status, seconds);
  parts_.log.write(LogLevel::kInfo, "request",
                   {{"request_id", request_id},
                    {"method", request.method},
                    {"path", request.path},
                    {"operation", operation},
                    {"status", int64_t{response.status}},
                    {"seconds", seconds},
                    {"peer", request.peer}});
  return response;
}

ServerResponse ApiService::route(const ServerRequest& request, std::string& operation_id) {
  const Route route = find_route(request.method, request.path);
  if (route.operation == nullptr) {
    if (route.allowed.empty()) return error_response(404, "not_found", "no such path; /openapi.json lists them");
    ServerResponse response = error_response(405, "invalid_input", fmt::format("this path has {}", route.allowed));
    response.headers.emplace_back("Allow", route.allowed);
    return response;
  }
  operation_id = route.operation->id;
  Call call{.operation = *route.operation, .caller = {}, .id = route.id, .query = {}, .body = {}, .made_id = new_uuid()};
  auto caller = caller_of(request, call.operation);
  // Whoever guesses tokens is counted by address.
  if (const int64_t wait = rate_.wait_seconds(caller ? caller->name : "address " + request.peer); wait > 0) {
    ServerResponse response = error_response(429, "unavailable", "too many requests");
    response.headers.emplace_back("Retry-After", std::to_string(wait));
    return response;
  }
  if (!caller) return std::move(caller).error();
  call.caller = *std::move(caller);
  if (const auto errors = read_query(request, call); !errors.empty()) {
    return error_response(400, "invalid_input", fmt::format("parameter {} {}", errors[0].field, errors[0].reason), details_of(errors));
  }
  if (auto refused = read_body(request, call)) return *std::move(refused);
  return call.operation.method == "POST" && !header(request, "idempotency-key").empty() ? once(request, call) : carry_out(call);
}

Result<bool> ApiService::asks_for_tokens() {
  if (parts_.options.auth != Auth::kAuto || asks_for_tokens_) return asks_for_tokens_.load();
  TRY_ASSIGN(const auto tokens, assembly_.service_records().tokens(""));
  if (!tokens.empty()) asks_for_tokens_ = true;
  return !tokens.empty();
}

std::expected<Caller, ServerResponse> ApiService::caller_of(const ServerRequest& request, const Operation& operation) {
  const std::string address = "address " + request.peer;
  if (operation.open) return Caller{.tenant = "", .name = address};
  const auto asks = asks_for_tokens();
  if (!asks) return std::unexpected(error_response(asks.error()));
  if (!*asks) return Caller{.tenant = "", .name = address};
  const auto refused = [](std::string_view message) {
    ServerResponse response = error_response(401, "unauthorized", message);
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return std::unexpected(std::move(response));
  };
  const std::string authorization = header(request, "authorization");
  if (!authorization.starts_with(kBearer)) return refused("send Authorization: Bearer TOKEN; `sluice token create` makes one");
  const auto presented = parse_access_token(std::string_view(authorization).substr(kBearer.size()));
  if (!presented) return refused("this token is not valid");
  const auto known = assembly_.service_records().find_token(presented->id);
  if (!known) return std::unexpected(error_response(known.error()));
  if (!*known || !opens(**known, presented->secret)) return refused("this token is not valid");
  return Caller{.tenant = (*known)->tenant, .name = "token " + (*known)->id};
}

/// A request that may be repeated: the first answer is kept for a day, unless it is one that may become better.
ServerResponse ApiService::once(const ServerRequest& request, Call& call) {
  const std::string key = header(request, "idempotency-key");
  if (key.size() > kIdempotencyKeyBytesMax) {
    return error_response(400, "invalid_input", fmt::format("Idempotency-Key is longer than {} bytes", kIdempotencyKeyBytesMax));
  }
  ServiceRecords& records = assembly_.service_records();
  const std::string tenant = call.caller.tenant.empty() ? "*" : call.caller.tenant;
  // Keyed: the body may hold secrets that could be guessed from a plain hash.
  const std::string fingerprint = parts_.key.fingerprint(fmt::format("{} {}\n{}", request.method, request.path, request.body));
  const auto memory = records.begin_request({.tenant = tenant, .key = key, .fingerprint = fingerprint, .made_id = call.made_id});
  if (!memory) return error_response(memory.error());
  switch (memory->standing) {
    case RequestStanding::kNew: break;
    case RequestStanding::kAnswered: {
      ServerResponse response{.status = memory->status, .body = memory->body};
      response.headers.emplace_back("Idempotency-Replayed", "true");
      return response;
    }
    case RequestStanding::kInProgress: {
      ServerResponse response = error_response(409, "conflict", "a request with this Idempotency-Key is being carried out");
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    case RequestStanding::kOtherRequest: return error_response(422, "invalid_input", "this Idempotency-Key was used for another request");
  }
  call.made_id = memory->made_id;
  const auto answer = calls_(call);
  ServerResponse response = answer ? *answer : error_response(answer.error());
  // It may have been carried out all the same: the note stays in progress, and whoever repeats the request goes on with its id.
  if (!answer && answer.error().code == ErrorCode::kOutcomeUnknown) return response;
  const bool done = response.status < 300;
  const auto noted = done ? records.finish_request(tenant, key, response.status, response.body) : records.drop_request(tenant, key);
  if (!noted) parts_.log.write(LogLevel::kWarning, "idempotency", {{"error", noted.error().message}});
  return response;
}

ServerResponse ApiService::carry_out(const Call& call) {
  auto response = calls_(call);
  return response ? *std::move(response) : error_response(response.error());
}

}  // namespace sluice
