// What GET /v1/config says, merged with what the user configured, and the URLs that follow from it. Values and pure functions.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "iceberg/catalog.h"

namespace sluice {

/// One call of the specification, written as /v1/config lists it.
struct RestEndpoint {
  static constexpr std::string_view kListNamespaces = "GET /v1/{prefix}/namespaces";
  static constexpr std::string_view kCreateNamespace = "POST /v1/{prefix}/namespaces";
  static constexpr std::string_view kListTables = "GET /v1/{prefix}/namespaces/{namespace}/tables";
  static constexpr std::string_view kCreateTable = "POST /v1/{prefix}/namespaces/{namespace}/tables";
  static constexpr std::string_view kLoadTable = "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}";
  static constexpr std::string_view kCommit = "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}";
};

struct RestConfig {
  std::map<std::string, std::string> properties;  ///< defaults, the user's over them, overrides over these
  std::string base_url;                           ///< "http://host/v1", with the prefix where there is one; no trailing "/"
  std::string separator = "%1F";                  ///< between the levels of a namespace in a URL, encoded
  std::set<std::string, std::less<>> endpoints;   ///< those of the specification where the server names none
  bool idempotency_keys = false;                  ///< the server remembers Idempotency-Key

  bool offers(std::string_view endpoint) const { return endpoints.contains(endpoint); }
  std::string namespaces_url() const { return base_url + "/namespaces"; }
  std::string encoded(const std::vector<std::string>& ns) const;
  std::string tables_url(const std::vector<std::string>& ns) const;
  std::string table_url(const TableId& id) const;
};

/// `uri` of the catalog without a trailing "/" (a server may move clients by the override "uri").
/// kCorruption: the answer is not that of a catalog.
Result<RestConfig> merge_rest_config(const std::string& uri, const std::map<std::string, std::string>& configured,
                                     const nlohmann::json& answer);

/// A prefix as servers send it: part of a path, percent-encoded already or not, of one or more segments ("main%7Cwarehouse",
/// "catalogs/7", "main|wh"). What is encoded stays; what cannot stand in a path is encoded.
std::string encode_prefix(std::string_view prefix);

}  // namespace sluice
