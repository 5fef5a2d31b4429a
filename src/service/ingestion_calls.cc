// Calls over definitions.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "api/json_schema.h"
#include "api/json_shapes.h"
#include "config/ingestion_json.h"
#include "config/validate.h"
#include "service/calls.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr const char* kDefaultTenant = "default";

bool says(const std::map<std::string, std::string>& properties, const std::string& name) {
  const auto found = properties.find(name);
  return found != properties.end() && !found->second.empty();
}

}  // namespace

std::optional<ServerResponse> Calls::forbidden(const Call& call, const Ingestion& ingestion) const {
  if (const auto allowed = parts_.roots.check(ingestion); !allowed) return error_response(403, "forbidden", allowed.error().message);
  if (call.caller.tenant.empty()) return std::nullopt;
  for (const Source& source : ingestion.sources) {
    // Without keys, or with empty ones, the store would take this machine's: a tenant would read whatever the operator can.
    if (is_local(source.paths.front()) || (says(source.store, "s3.access-key-id") && says(source.store, "s3.secret-access-key"))) continue;
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
  const auto page = assembly_.history().ingestion_page({.tenant = call.caller.tenant,
                                                        .name = query_text(call, "name"),
                                                        .status = query_text(call, "status"),
                                                        .limit = page_limit(call),
                                                        .cursor = query_text(call, "cursor")});
  if (!page) return std::unexpected(page.error());
  json list = json::array();
  for (const Ingestion& ingestion : page->ingestions) list.push_back(shown(ingestion));
  return json_response(200, {{"ingestions", std::move(list)}, {"total", page->total}, {"next_cursor", next_cursor(page->next_cursor)}});
}

Result<ServerResponse> Calls::get(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  TRY_ASSIGN(const auto waiting, assembly_.history().waiting_for_approval(ingestion.id));
  json body = shown(ingestion);
  body["waiting_for_approval"] = waiting_json(waiting);
  return json_response(200, body);
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
  if (ingestion.managed_by == "file" && parts_.config.ingestion(ingestion.name)) {
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
