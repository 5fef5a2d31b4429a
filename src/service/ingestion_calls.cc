// Calls over definitions.
#include <fmt/format.h>

#include <algorithm>

#include "api/json_schema.h"
#include "config/ingestion_json.h"
#include "config/validate.h"
#include "service/calls.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr const char* kDefaultTenant = "default";

/// Sorted as the list is: by name, then id.
std::string cursor_of(const Ingestion& ingestion) { return fmt::format("{}:{}", ingestion.id.text, ingestion.name); }

bool is_after(const Ingestion& ingestion, const std::string& cursor) {
  const size_t colon = std::min(cursor.find(':'), cursor.size());
  const std::string_view id = std::string_view(cursor).substr(0, colon);
  const std::string_view name = std::string_view(cursor).substr(std::min(colon + 1, cursor.size()));
  return std::tie(ingestion.name, ingestion.id.text) > std::tuple(name, id);
}

}  // namespace

std::optional<ServerResponse> Calls::forbidden(const Call& call, const Ingestion& ingestion) const {
  if (const auto allowed = parts_.roots.check(ingestion); !allowed) return error_response(403, "forbidden", allowed.error().message);
  if (call.caller.tenant.empty()) return std::nullopt;
  for (const Source& source : ingestion.sources) {
    // Without keys the store would take this machine's: a tenant would read whatever the operator can.
    if (is_local(source.paths.front()) || (source.store.contains("s3.access-key-id") && source.store.contains("s3.secret-access-key"))) {
      continue;
    }
    return error_response(403, "forbidden", fmt::format("source \"{}\": access_key and secret_key are missing", source.id.text));
  }
  return std::nullopt;
}

Result<ServerResponse> Calls::create(const Call& call) {
  const std::string asked = call.body.contains("tenant_id") && call.body["tenant_id"].is_string() ? call.body["tenant_id"] : json("");
  if (!call.caller.tenant.empty() && !asked.empty() && asked != call.caller.tenant) {
    return error_response(403, "forbidden", fmt::format("tenant_id: this token belongs to tenant {}", call.caller.tenant));
  }
  TRY_ASSIGN(Ingestion ingestion, ingestion_from_request(call.body, catalog_names(), nullptr));
  ingestion.id = IngestionId(call.made_id);
  ingestion.tenant = !call.caller.tenant.empty() ? call.caller.tenant : asked.empty() ? kDefaultTenant : asked;
  if (auto refused = forbidden(call, ingestion)) return *std::move(refused);
  settle_start_from(ingestion, std::nullopt, parts_.clock.now());
  seal_sources(parts_.key, ingestion);
  TRY_ASSIGN(const Ingestion stored, assembly_.registry().put_ingestion(ingestion));
  return json_response(201, shown(stored));
}

Result<ServerResponse> Calls::list(const Call& call) {
  TRY_ASSIGN(auto all, assembly_.registry().ingestions(call.caller.tenant));
  const auto wanted = [&](const char* key, const std::string& value) {
    const auto found = call.query.find(key);
    return found == call.query.end() || found->second == value;
  };
  std::erase_if(all, [&](const Ingestion& i) { return !wanted("name", i.name) || !wanted("status", i.status); });
  std::ranges::sort(all, [](const Ingestion& a, const Ingestion& b) { return std::tie(a.name, a.id.text) < std::tie(b.name, b.id.text); });
  json page = {{"ingestions", json::array()}, {"total", all.size()}, {"next_cursor", nullptr}};
  const auto cursor = call.query.find("cursor");
  if (cursor != call.query.end()) std::erase_if(all, [&](const Ingestion& i) { return !is_after(i, cursor->second); });
  const auto limit = static_cast<size_t>(page_limit(call));
  for (size_t i = 0; i < std::min(limit, all.size()); ++i) page["ingestions"].push_back(shown(all[i]));
  if (all.size() > limit) page["next_cursor"] = cursor_of(all[limit - 1]);
  return json_response(200, page);
}

Result<ServerResponse> Calls::get(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  return json_response(200, shown(ingestion));
}

Result<ServerResponse> Calls::patch(const Call& call) {
  TRY_ASSIGN(Ingestion before, ingestion_of(call));
  if (before.managed_by != "api") {
    return fail(ErrorCode::kConflict, fmt::format("ingestion {} is defined by {}: change it there", before.id.text,
                                                  before.managed_by == "file" ? "sluice.yaml" : "the command line"));
  }
  if (call.body.contains("tenant_id")) return error_response(400, "invalid_input", "tenant_id cannot change");
  const json body = patched(before, call.body);
  const json schema = {{"$ref", "#/components/schemas/IngestionRequest"}};
  json details = json::array();
  for (const FieldError& error : schema_errors(body, schema, openapi_document())) {
    details.push_back({{"field", error.field}, {"reason", error.reason}});
  }
  if (!details.empty()) return error_response(400, "invalid_input", "the changed definition is not valid", std::move(details));
  TRY(open_sources(parts_.key, before));
  TRY_ASSIGN(Ingestion ingestion, ingestion_from_request(body, catalog_names(), &before));
  ingestion.id = before.id;
  ingestion.tenant = before.tenant;
  if (auto refused = forbidden(call, ingestion)) return *std::move(refused);
  settle_start_from(ingestion, before, parts_.clock.now());
  seal_sources(parts_.key, ingestion);
  TRY_ASSIGN(const Ingestion stored, assembly_.registry().put_ingestion(ingestion));
  return json_response(200, shown(stored));
}

Result<ServerResponse> Calls::remove(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  if (ingestion.managed_by == "file") {
    return fail(ErrorCode::kConflict, fmt::format("ingestion {} is defined by sluice.yaml: remove it there", ingestion.id.text));
  }
  TRY(assembly_.registry().delete_ingestion(ingestion.id));
  return ServerResponse{.status = 204};
}

Result<ServerResponse> Calls::set_status(const Call& call, std::string_view status) {
  TRY_ASSIGN(Ingestion ingestion, ingestion_of(call));
  TRY(assembly_.registry().set_status(ingestion.id, status));
  ingestion.status = status;
  return json_response(200, shown(ingestion));
}

Result<ServerResponse> Calls::pause(const Call& call) { return set_status(call, "PAUSED"); }
Result<ServerResponse> Calls::resume(const Call& call) { return set_status(call, "ACTIVE"); }

}  // namespace sluice
