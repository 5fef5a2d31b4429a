#include "service/calls.h"

#include <fmt/format.h>

#include <charconv>

#include "api/json_shapes.h"
#include "base/cron.h"
#include "pipeline/access_check.h"
#include "storage/stores.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr auto kReadyMax = std::chrono::seconds(5);
constexpr auto kCheckMax = std::chrono::seconds(15);
constexpr auto kWaitForOthersMax = std::chrono::seconds(2);

json checks_json(const std::vector<AccessCheck>& checks) {
  json list = json::array();
  bool ok = true;
  for (const AccessCheck& check : checks) {
    ok = ok && check.answer.has_value();
    list.push_back({{"check", check.what},
                    {"ok", check.answer.has_value()},
                    {"message", check.answer ? *check.answer : check.answer.error().message}});
  }
  return {{"ok", ok}, {"checks", std::move(list)}};
}

}  // namespace

ServerResponse json_response(int status, const json& body) {
  return {.status = status, .body = body.dump(-1, ' ', false, json::error_handler_t::replace)};
}

ServerResponse error_response(int status, std::string_view code, std::string_view message, json details) {
  return json_response(status, {{"error", {{"code", code}, {"message", message}, {"details", std::move(details)}}}});
}

ServerResponse error_response(const Error& error) {
  const auto status = [&] {
    switch (error.code) {
      case ErrorCode::kInvalidInput: return 422;
      case ErrorCode::kNotFound: return 404;
      case ErrorCode::kConflict: return 409;
      case ErrorCode::kUnavailable:
      case ErrorCode::kOutcomeUnknown:
      case ErrorCode::kCancelled: return 503;
      case ErrorCode::kCorruption: return 500;
    }
    return 500;
  }();
  ServerResponse response = error_response(status, to_string(error.code), error.message);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string query_text(const Call& call, const char* name) {
  const auto found = call.query.find(name);
  return found == call.query.end() ? "" : found->second;
}

json next_cursor(const std::string& cursor) { return cursor.empty() ? json(nullptr) : json(cursor); }

int64_t page_limit(const Call& call) {
  const auto found = call.query.find("limit");
  int64_t limit = kPageDefault;
  if (found != call.query.end()) std::from_chars(found->second.data(), found->second.data() + found->second.size(), limit);
  return limit;
}

Calls::Calls(const ServiceParts& parts, Assembly& assembly, std::function<void()> wake)
    : parts_(parts), assembly_(assembly), wake_(std::move(wake)) {}

Result<ServerResponse> Calls::operator()(const Call& call) {
  using Method = Result<ServerResponse> (Calls::*)(const Call&);
  static const std::map<std::string_view, Method> kMethods = {
      {"createIngestion", &Calls::create}, {"listIngestions", &Calls::list},
      {"getIngestion", &Calls::get},       {"patchIngestion", &Calls::patch},
      {"deleteIngestion", &Calls::remove}, {"runIngestion", &Calls::run},
      {"loadFiles", &Calls::load_files},   {"retryFiles", &Calls::retry_files},
      {"pauseIngestion", &Calls::pause},   {"resumeIngestion", &Calls::resume},
      {"checkIngestion", &Calls::check},   {"listRuns", &Calls::runs},
      {"listFiles", &Calls::files},        {"listProcessedFiles", &Calls::processed_files},
      {"getRun", &Calls::get_run},         {"cancelRun", &Calls::cancel_run},
      {"retryRun", &Calls::retry_run},     {"openapi", &Calls::openapi},
      {"health", &Calls::health},          {"ready", &Calls::ready},
      {"metrics", &Calls::metrics},        {"approveChanges", &Calls::approve}};
  const auto found = kMethods.find(call.operation.id);
  if (found == kMethods.end()) return fail(ErrorCode::kCorruption, fmt::format("no call {}", call.operation.id));
  return (this->*found->second)(call);
}

Result<Ingestion> Calls::ingestion_of(const Call& call) {
  TRY_ASSIGN(auto found, assembly_.registry().find_ingestion(call.caller.tenant, call.id));
  // find_ingestion also takes a name; the path has an id.
  if (!found || found->id.text != call.id || found->status == "DELETED") {
    return fail(ErrorCode::kNotFound, fmt::format("no ingestion {}", call.id));
  }
  return *std::move(found);
}

Result<RunRecord> Calls::run_of(const Call& call) {
  const auto none = fail(ErrorCode::kNotFound, fmt::format("no run {}", call.id));
  TRY_ASSIGN(auto run, assembly_.history().run(call.id));
  if (!run) return none;
  TRY_ASSIGN(const auto ingestion, assembly_.registry().find_ingestion(call.caller.tenant, run->ingestion.text));
  if (!ingestion) return none;
  return *std::move(run);
}

std::vector<std::string> Calls::catalog_names() const {
  std::vector<std::string> names;
  for (const auto& [name, catalog] : parts_.config.catalogs) names.push_back(name);
  return names;
}

json Calls::shown(const Ingestion& ingestion) const {
  json j = ingestion_json(ingestion);
  j["next_run_at"] = nullptr;
  if (ingestion.status != "ACTIVE" || ingestion.schedule.empty()) return j;
  if (const auto cron = Cron::parse(ingestion.schedule, ingestion.timezone)) {
    if (const auto next = cron->next_after(parts_.clock.now())) j["next_run_at"] = to_text(*next);
  }
  return j;
}

Result<ServerResponse> Calls::check(const Call& call) {
  TRY_ASSIGN(const Ingestion stored, ingestion_of(call));
  TRY_ASSIGN(const Ingestion ingestion, ready_to_run(parts_, stored));
  const std::unique_lock lock(asking_, kWaitForOthersMax);
  if (!lock) return fail(ErrorCode::kUnavailable, "another check is at work: try again");
  std::vector<AccessCheck> checks;
  checks.push_back({"ledger", "answers"});
  Context context{.stop = parts_.stop, .deadline = parts_.clock.now() + kCheckMax};
  BorrowedStores borrowed(assembly_.stores());
  RootedStores rooted(borrowed, parts_.roots);
  StoreProvider& stores = ingestion.managed_by == "api" ? static_cast<StoreProvider&>(rooted) : borrowed;
  for (AccessCheck& one : check_sources(stores, assembly_.clock(), ingestion, context)) checks.push_back(std::move(one));
  checks.push_back(ingestion.parquet ? check_objects(assembly_.stores(), ingestion, context)
                                     : check_table(assembly_.catalog(ingestion.table.catalog), ingestion, context));
  return json_response(200, checks_json(checks));
}

Result<ServerResponse> Calls::openapi(const Call&) { return json_response(200, openapi_document()); }

Result<ServerResponse> Calls::health(const Call&) { return json_response(200, {{"status", "ok"}}); }

Result<ServerResponse> Calls::ready(const Call&) {
  const std::unique_lock lock(asking_, kWaitForOthersMax);
  if (!lock) {  // a source that does not answer its check says nothing about this server
    const std::lock_guard last(last_ready_mutex_);
    if (last_ready_) return *last_ready_;
    return fail(ErrorCode::kUnavailable, "another check is at work: try again");
  }
  std::vector<AccessCheck> checks;
  const auto pending = assembly_.queue().pending_runs();
  checks.push_back({"ledger", pending ? Result<std::string>("answers") : std::unexpected(pending.error())});
  for (const std::string& name : catalog_names()) {
    Context context{.stop = parts_.stop, .deadline = parts_.clock.now() + kReadyMax};
    const auto catalog = assembly_.catalog(name);
    Result<std::string> answer = "answers";
    if (!catalog) {
      answer = std::unexpected(catalog.error());
    } else if (const auto asked = (*catalog)->load({{"sluice"}, "readiness"}, context);
               !asked && asked.error().code != ErrorCode::kNotFound) {
      answer = std::unexpected(asked.error());
    }
    // Anybody may ask: what is wrong is for the log.
    if (!answer) {
      parts_.log.write(LogLevel::kWarning, "not ready", {{"catalog", name}, {"error", answer.error().message}});
      answer = fail(answer.error().code, "does not answer");
    }
    checks.push_back({fmt::format("catalog {}", name), std::move(answer)});
  }
  const json body = checks_json(checks);
  const std::lock_guard last(last_ready_mutex_);
  last_ready_ = json_response(body["ok"].get<bool>() ? 200 : 503, body);
  return *last_ready_;
}

Result<ServerResponse> Calls::metrics(const Call&) {
  TRY_ASSIGN(const int64_t pending, assembly_.queue().pending_runs());
  return ServerResponse{.content_type = "text/plain; version=0.0.4", .body = parts_.metrics.text(pending)};
}

}  // namespace sluice
