#include "config/ingestion_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "config/fields.h"
#include "config/ingestion_yaml.h"
#include "config/validate.h"
#include "config/yaml_reader.h"

namespace sluice {
namespace {

using nlohmann::json;

/// Keys of a body that sluice.yaml spells otherwise; all others are the same there.
constexpr std::string_view kOwnKeys[] = {"name",
                                         "source_type",
                                         "source_config",
                                         "destination_config",
                                         "format_type",
                                         "tenant_id",
                                         "cluster_id",
                                         "sources",
                                         "source_system",
                                         "csv",
                                         "text",
                                         "json",
                                         "sql"};

struct StoreKey {
  const char* rest;
  const char* property;
  bool secret;
};
constexpr StoreKey kStoreKeys[] = {{"access_key", "s3.access-key-id", true},
                                   {"secret_key", "s3.secret-access-key", true},
                                   {"session_token", "s3.session-token", true},
                                   {"endpoint", "s3.endpoint", false},
                                   {"region", "s3.region", false},
                                   {"path_style", "s3.path-style-access", false}};

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

/// "s3://bucket/path/pattern": one slash between the parts; without a pattern everything below the path.
Result<std::string> joined_path(const json& config, bool s3) {
  std::string path = text_at(config, "path");
  const std::string pattern = text_at(config, "file_pattern");
  if (s3) {
    const std::string bucket = text_at(config, "bucket");
    if (bucket.empty() || bucket.find('/') != std::string::npos) return invalid_input("source_config.bucket: name one bucket");
    while (path.starts_with('/')) path.erase(0, 1);
    path = fmt::format("s3://{}/{}", bucket, path);
  } else if (!path.starts_with('/')) {
    return invalid_input("source_config.path: a LOCAL source needs an absolute path");
  }
  if (!path.ends_with('/')) path += '/';
  return path + (pattern.starts_with('/') ? pattern.substr(1) : pattern);
}

/// One source as sluice.yaml would have it.
Result<json> source_of(const json& source, const std::string& id) {
  const bool s3 = text_at(source, "source_type") == "S3";
  const json& config = source.at("source_config");
  json result = {{"id", id}};
  TRY_ASSIGN(const std::string path, joined_path(config, s3));
  result["paths"] = json::array({path});
  for (const StoreKey& key : kStoreKeys) {
    const auto found = config.find(key.rest);
    if (found == config.end() || found->is_null()) continue;
    if (!s3) return invalid_input(fmt::format("source_config.{}: a LOCAL source has none", key.rest));
    result[key.property] = *found;
  }
  const std::string format = lower_case(text_at(source, "format_type"));
  if (!format.empty()) result["format"] = format;
  for (const char* key : {"csv", "text", "json", "sql", "source_system"}) {
    if (source.contains(key) && !source[key].is_null()) result[key] = source[key];
  }
  return result;
}

Result<json> sources_of(const json& body) {
  json sources = json::array();
  if (!body.contains("sources")) {
    if (!body.contains("source_config") || !body.contains("source_type")) {
      return invalid_input("source_type and source_config are missing; for several sources give sources");
    }
    TRY_ASSIGN(json source, source_of(body, kOnlySourceId));
    sources.push_back(std::move(source));
    return sources;
  }
  if (body.contains("source_config")) return invalid_input("sources: give source_config or sources, not both");
  for (const json& one : body["sources"]) {
    TRY_ASSIGN(json source, source_of(one, one.at("id").get<std::string>()));
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<std::string> table_of(const json& destination, std::span<const std::string> catalogs) {
  std::string catalog = text_at(destination, "catalog");
  if (catalog.empty() && !catalogs.empty()) catalog = std::ranges::find(catalogs, "local") != catalogs.end() ? "local" : catalogs.front();
  if (std::ranges::find(catalogs, catalog) == catalogs.end()) {
    return invalid_input(fmt::format("destination_config.catalog: no catalog \"{}\"; there is: {}", catalog, fmt::join(catalogs, ", ")));
  }
  const std::string table = text_at(destination, "table");
  if (table.find('.') != std::string::npos) return invalid_input("destination_config.table: a table's name has no dot");
  return fmt::format("{}.{}.{}", catalog, text_at(destination, "database"), table);
}

/// Secrets of the body go; where it says kHidden, those that the source had before come back.
void take_secrets(json& config, Source& source, const Ingestion* before) {
  for (const StoreKey& key : kStoreKeys) {
    if (!key.secret || !config.contains(key.rest) || config[key.rest].is_null()) continue;
    config[key.rest] = kHidden;
    auto& value = source.store[key.property];
    if (value != kHidden) continue;
    const auto known =
        before == nullptr ? std::vector<Source>::const_iterator() : std::ranges::find(before->sources, source.id, &Source::id);
    const bool had = before != nullptr && known != before->sources.end() && known->store.contains(key.property);
    if (had) {
      value = known->store.at(key.property);
    } else {
      source.store.erase(key.property);
    }
  }
}

}  // namespace

Result<Ingestion> ingestion_from_request(const json& body, std::span<const std::string> catalogs, const Ingestion* before) {
  json node = json::object();
  for (const auto& [key, value] : body.items()) {
    if (std::ranges::find(kOwnKeys, key) == std::end(kOwnKeys)) node[key] = value;
  }
  TRY_ASSIGN(node["table"], table_of(body.at("destination_config"), catalogs));
  TRY_ASSIGN(node["sources"], sources_of(body));
  // Silent where sluice.yaml warns: a body without on_change means append.
  if (!node.contains("on_change")) node["on_change"] = "append";

  const YamlFile file{.name = "request", .folder = "/", .environment = {}, .trusted = false};
  std::vector<std::string> warnings;
  Ingestion ingestion;
  try {
    // JSON is YAML: one reader for both.
    TRY_ASSIGN(ingestion, read_ingestion(file, text_at(body, "name"), YAML::Load(node.dump(1)), catalogs, warnings));
  } catch (const YAML::Exception& error) {
    return invalid_input(error.msg);
  }
  ingestion.managed_by = "api";
  ingestion.cluster = text_at(body, "cluster_id");
  json kept = body;
  if (kept.contains("sources")) {
    for (size_t i = 0; i < ingestion.sources.size(); ++i) take_secrets(kept["sources"][i]["source_config"], ingestion.sources[i], before);
  } else {
    take_secrets(kept["source_config"], ingestion.sources.front(), before);
  }
  ingestion.request = kept.dump();
  return ingestion;
}

json patched(const Ingestion& ingestion, const json& changes) {
  json body = json::parse(ingestion.request, nullptr, false);
  if (!body.is_object()) body = json::object();
  body.merge_patch(changes);
  return body;
}

}  // namespace sluice
