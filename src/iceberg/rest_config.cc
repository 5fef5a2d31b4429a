#include "iceberg/rest_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cctype>

#include "iceberg/json_fields.h"
#include "net/percent.h"

namespace sluice {
namespace {

using nlohmann::json;
using Properties = std::map<std::string, std::string>;

// What a server offers that does not say (the specification's default list, as far as it concerns us).
constexpr std::string_view kDefaultEndpoints[] = {RestEndpoint::kListNamespaces, RestEndpoint::kCreateNamespace, RestEndpoint::kListTables,
                                                  RestEndpoint::kCreateTable,    RestEndpoint::kLoadTable,       RestEndpoint::kCommit};

/// Null values stand for "no value".
Result<Properties> read_properties(const json& answer, const char* key) {
  Properties properties;
  const auto at = answer.find(key);
  if (at == answer.end() || at->is_null()) return properties;
  if (!at->is_object()) return fail(ErrorCode::kCorruption, fmt::format("/v1/config: \"{}\" is not an object", key));
  for (const auto& [name, value] : at->items()) {
    if (value.is_null()) continue;
    properties[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return properties;
}

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string encode_prefix(std::string_view prefix) {
  constexpr std::string_view kKept = "/:@!$&'()*+,;=%";
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string out;
  for (size_t i = 0; i < prefix.size(); ++i) {
    const bool stray = prefix[i] == '%' && !(i + 2 < prefix.size() && is_hex(prefix[i + 1]) && is_hex(prefix[i + 2]));
    const bool stays = !stray && kKept.find(prefix[i]) != std::string_view::npos;
    out += stays ? std::string(1, prefix[i]) : percent_encode(prefix.substr(i, 1));
  }
  return out;
}

std::string RestConfig::encoded(const std::vector<std::string>& ns) const {
  std::vector<std::string> levels;
  for (const std::string& level : ns) levels.push_back(percent_encode(level));
  return fmt::format("{}", fmt::join(levels, separator));
}

std::string RestConfig::tables_url(const std::vector<std::string>& ns) const {
  return fmt::format("{}/{}/tables", namespaces_url(), encoded(ns));
}

std::string RestConfig::table_url(const TableId& id) const { return fmt::format("{}/{}", tables_url(id.ns), percent_encode(id.name)); }

Result<RestConfig> merge_rest_config(const std::string& uri, const Properties& configured, const json& answer) {
  if (!answer.is_object()) return fail(ErrorCode::kCorruption, "/v1/config: its answer is not a JSON object; is this a REST catalog?");
  RestConfig config;
  TRY_ASSIGN(config.properties, read_properties(answer, "defaults"));
  for (const auto& [key, value] : configured) config.properties[key] = value;
  TRY_ASSIGN(const Properties overrides, read_properties(answer, "overrides"));
  for (const auto& [key, value] : overrides) config.properties[key] = value;

  const auto property = [&](const char* key, std::string otherwise) {
    const auto at = config.properties.find(key);
    return at == config.properties.end() ? std::move(otherwise) : at->second;
  };
  std::string base = overrides.contains("uri") ? overrides.at("uri") : uri;
  while (base.ends_with('/')) base.pop_back();
  config.base_url = base + "/v1";
  const std::string prefix = encode_prefix(property("prefix", ""));
  if (!prefix.empty()) config.base_url += "/" + prefix;
  // Already encoded where it holds a "%"; a bare character is what some servers send.
  const std::string separator = property("namespace-separator", config.separator);
  config.separator = separator.find('%') == std::string::npos ? percent_encode(separator) : separator;

  if (const auto at = answer.find("endpoints"); at != answer.end() && at->is_array()) {
    for (const json& endpoint : *at) {
      if (endpoint.is_string()) config.endpoints.insert(endpoint.get<std::string>());
    }
  }
  if (config.endpoints.empty()) config.endpoints.insert(std::begin(kDefaultEndpoints), std::end(kDefaultEndpoints));
  const auto lifetime = answer.find("idempotency-key-lifetime");
  config.idempotency_keys = lifetime != answer.end() && !lifetime->is_null();
  return config;
}

}  // namespace sluice
