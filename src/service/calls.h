// The calls of the REST API: each parses what the schema left open, calls ledger or engine, and renders. Who calls was found out before.
// Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "api/openapi.h"
#include "service/http_front.h"
#include "service/service_parts.h"

namespace sluice {

struct Caller {
  std::string tenant;  ///< empty: nobody was asked (--auth none), all tenants are seen
  std::string name;    ///< for limits: a token's id, or an address
};

/// A request that fits its operation's schemas.
struct Call {
  const Operation& operation;
  Caller caller;
  std::string id;                            ///< of the path
  std::map<std::string, std::string> query;  ///< by the names of Operation::query
  nlohmann::json body;                       ///< an object; {} where there was none
  std::string made_id;                       ///< the id of what the call makes
};

class Calls {
 public:
  /// `wake`: a run may be waiting now.
  Calls(const ServiceParts& parts, Assembly& assembly, std::function<void()> wake);

  /// Errors are turned into answers by the caller.
  Result<ServerResponse> operator()(const Call& call);

 private:
  Result<ServerResponse> create(const Call& call);
  Result<ServerResponse> list(const Call& call);
  Result<ServerResponse> get(const Call& call);
  Result<ServerResponse> patch(const Call& call);
  Result<ServerResponse> remove(const Call& call);
  Result<ServerResponse> run(const Call& call);
  Result<ServerResponse> load_files(const Call& call);
  Result<ServerResponse> retry_files(const Call& call);
  Result<ServerResponse> approve(const Call& call);
  Result<ServerResponse> pause(const Call& call);
  Result<ServerResponse> resume(const Call& call);
  Result<ServerResponse> check(const Call& call);
  Result<ServerResponse> runs(const Call& call);
  Result<ServerResponse> files(const Call& call);
  Result<ServerResponse> processed_files(const Call& call);
  Result<ServerResponse> get_run(const Call& call);
  Result<ServerResponse> cancel_run(const Call& call);
  Result<ServerResponse> retry_run(const Call& call);
  Result<ServerResponse> openapi(const Call& call);
  Result<ServerResponse> health(const Call& call);
  Result<ServerResponse> ready(const Call& call);
  Result<ServerResponse> metrics(const Call& call);

  /// The ingestion of the path, of this caller; kNotFound also where it is another tenant's, or deleted.
  Result<Ingestion> ingestion_of(const Call& call);
  Result<RunRecord> run_of(const Call& call);
  Result<ServerResponse> set_status(const Call& call, std::string_view status);
  Result<ServerResponse> ask_for_run(const Call& call, const Ingestion& ingestion, Trigger trigger, const RunOptions& options);
  /// What a tenant may not use: folders outside of the roots, the credentials of this machine. nullopt: nothing of it.
  std::optional<ServerResponse> forbidden(const Call& call, const Ingestion& ingestion) const;
  nlohmann::json shown(const Ingestion& ingestion) const;
  std::vector<std::string> catalog_names() const;

  const ServiceParts& parts_;
  Assembly& assembly_;
  const std::function<void()> wake_;
  std::timed_mutex asking_;  // stores and catalogs are asked one at a time, so that one that hangs takes one thread and not all
  std::mutex last_ready_mutex_;
  std::optional<ServerResponse> last_ready_;  // protected by last_ready_mutex_
};

ServerResponse json_response(int status, const nlohmann::json& body);
/// {"error": {"code", "message", "details"}}
ServerResponse error_response(int status, std::string_view code, std::string_view message,
                              nlohmann::json details = nlohmann::json::array());
/// The one mapping of error codes to HTTP statuses.
ServerResponse error_response(const Error& error);

/// A parameter of the query; empty: it was not given.
std::string query_text(const Call& call, const char* name);
/// As the answer of a list shows it: null behind the last page.
nlohmann::json next_cursor(const std::string& cursor);
/// Limit of a page: the parameter `limit`, or kPageDefault.
int64_t page_limit(const Call& call);
inline constexpr int64_t kPageDefault = 100;

}  // namespace sluice
