#include "api/openapi.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/openapi_schemas.h"
#include "base/ascii.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr Operation kOperations[] = {
    {"createIngestion", "POST", "/api/v1/ingestions", "Define an ingestion", 201, "Ingestion", "IngestionRequest", true, "", false},
    {"listIngestions", "GET", "/api/v1/ingestions", "Ingestions, by name", 200, "IngestionList", "", false, "limit cursor name status",
     false},
    {"getIngestion", "GET", "/api/v1/ingestions/{id}", "One ingestion", 200, "Ingestion", "", false, "", false},
    {"patchIngestion", "PATCH", "/api/v1/ingestions/{id}", "Change a definition (JSON merge patch)", 200, "Ingestion", "IngestionPatch",
     true, "", false},
    {"deleteIngestion", "DELETE", "/api/v1/ingestions/{id}", "Delete an ingestion; its table stays", 204, "", "", false, "", false},
    {"runIngestion", "POST", "/api/v1/ingestions/{id}/run", "Ask for a run", 202, "Run", "Empty", false, "", false},
    {"loadFiles", "POST", "/api/v1/ingestions/{id}/files", "Ask for a run over just these files", 202, "Run", "FilesRequest", true, "",
     false},
    {"retryFiles", "POST", "/api/v1/ingestions/{id}/retry", "Ask for a run over failed files, all or these", 202, "Run", "RetryRequest",
     false, "", false},
    {"approveChanges", "POST", "/api/v1/ingestions/{id}/approve",
     "Ask for a run that makes the changes of the table which files wait for, all or these, and loads the files", 202, "Run",
     "ApproveRequest", false, "", false},
    {"pauseIngestion", "POST", "/api/v1/ingestions/{id}/pause", "No runs from here on", 200, "Ingestion", "Empty", false, "", false},
    {"resumeIngestion", "POST", "/api/v1/ingestions/{id}/resume", "Runs again; the schedule begins anew", 200, "Ingestion", "Empty", false,
     "", false},
    {"checkIngestion", "POST", "/api/v1/ingestions/{id}/check", "Try ledger, sources and catalog", 200, "CheckList", "Empty", false, "",
     false},
    {"listRuns", "GET", "/api/v1/ingestions/{id}/runs", "Runs, latest first", 200, "RunList", "", false, "limit cursor", false},
    {"listFiles", "GET", "/api/v1/ingestions/{id}/files", "Every known file", 200, "FileList", "", false,
     "limit cursor file_path file_status", false},
    {"listProcessedFiles", "GET", "/api/v1/ingestions/{id}/processed-files", "Loaded files, oldest first", 200, "ProcessedFileList", "",
     false, "limit cursor file_path", false},
    {"getRun", "GET", "/api/v1/runs/{id}", "One run", 200, "Run", "", false, "", false},
    {"cancelRun", "POST", "/api/v1/runs/{id}/cancel", "Stop a run", 202, "Run", "Empty", false, "", false},
    {"retryRun", "POST", "/api/v1/runs/{id}/retry", "Ask for a run over the failed files of this run's ingestion", 202, "Run", "Empty",
     false, "", false},
    {"openapi", "GET", "/openapi.json", "This document", 200, "Document", "", false, "", true},
    {"health", "GET", "/healthz", "The process answers", 200, "Health", "", false, "", true},
    {"ready", "GET", "/readyz", "Ledger and catalogs are reachable", 200, "CheckList", "", false, "", true},
    {"metrics", "GET", "/metrics", "Counters, as Prometheus reads them", 200, "", "", false, "", true},
};

/// `file_status` stands for the parameter `status` of files, whose values are others than those of ingestions.
json query_schemas() {
  return {{"limit", {{"type", "integer"}, {"minimum", 1}, {"maximum", 1000}, {"default", 100}}},
          {"cursor", {{"type", "string"}, {"maxLength", 4096}, {"description", "next_cursor of the page before"}}},
          {"name", {{"type", "string"}, {"minLength", 1}, {"maxLength", 200}}},
          {"status", {{"type", "string"}, {"enum", {"ACTIVE", "PAUSED"}}}},
          {"file_status", {{"type", "string"}, {"enum", {"DISCOVERED", "PROCESSING", "SUCCESS", "FAILED", "SKIPPED"}}}},
          {"file_path", {{"type", "string"}, {"minLength", 1}, {"maxLength", 2000}, {"description", "exact, as shown"}}}};
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    found.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return found;
}

json reference(std::string_view schema) { return {{"$ref", fmt::format("#/components/schemas/{}", schema)}}; }

json content(std::string_view schema) { return {{"application/json", {{"schema", reference(schema)}}}}; }

json parameters_of(const Operation& operation) {
  json parameters = json::array();
  if (operation.path.find("{id}") != std::string_view::npos) {
    parameters.push_back({{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}, {"minLength", 1}}}});
  }
  for (const std::string& name : words(operation.query)) {
    parameters.push_back(
        {{"name", name == "file_status" ? "status" : name}, {"in", "query"}, {"required", false}, {"schema", query_schema(name)}});
  }
  if (operation.method == "POST") {
    parameters.push_back({{"name", "Idempotency-Key"},
                          {"in", "header"},
                          {"required", false},
                          {"description", "The same key with the same request within a day gets the first answer again"},
                          {"schema", {{"type", "string"}, {"minLength", 1}, {"maxLength", 200}}}});
  }
  return parameters;
}

json described(const Operation& operation) {
  json success = {{"description", std::string(operation.summary)}};
  if (!operation.response.empty()) success["content"] = content(operation.response);
  if (operation.id == "metrics") success["content"] = {{"text/plain", {{"schema", {{"type", "string"}}}}}};
  json j = {{"operationId", operation.id},
            {"summary", operation.summary},
            {"responses",
             {{std::to_string(operation.status), success}, {"default", {{"description", "An error"}, {"content", content("Error")}}}}}};
  if (operation.id == "ready") j["responses"]["503"] = {{"description", "Something is not reachable"}, {"content", content("CheckList")}};
  if (json parameters = parameters_of(operation); !parameters.empty()) j["parameters"] = std::move(parameters);
  if (!operation.request.empty()) j["requestBody"] = {{"required", operation.body_required}, {"content", content(operation.request)}};
  if (operation.open) j["security"] = json::array();
  return j;
}

json make_document() {
  json paths = json::object();
  for (const Operation& operation : kOperations) {
    paths[std::string(operation.path)][lower_case(operation.method)] = described(operation);
  }
  return {
      {"openapi", "3.1.0"},
      {"info", {{"title", "Sluice"}, {"version", "1"}, {"description", "Files into Apache Iceberg tables, each exactly once."}}},
      {"security", json::array({{{"token", json::array()}}})},
      {"paths", std::move(paths)},
      {"components", {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}, {"schemas", json::parse(kSchemasJson)}}}};
}

}  // namespace

std::span<const Operation> operations() { return kOperations; }

const json& query_schema(std::string_view name) {
  static const json schemas = query_schemas();
  static const json none = json::object();
  const auto found = schemas.find(std::string(name));
  return found == schemas.end() ? none : *found;
}

const json& openapi_document() {
  static const json document = make_document();
  return document;
}

}  // namespace sluice
