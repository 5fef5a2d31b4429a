#include "config/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/units.h"
#include "config/fields.h"
#include "config/ingestion_yaml.h"
#include "config/yaml_reader.h"
#include "sql/postgres.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr int64_t kConfigBytesMax = 16 * kMiB;
constexpr std::string_view kSqlite = "sqlite:";
constexpr const char* kDefaultCatalog = "local";

/// The URI of a database: "sqlite:PATH" with an absolute path, also as SQLAlchemy (and so PyIceberg) writes it ("sqlite:///relative",
/// "sqlite:////absolute"); or "postgresql://...". Messages do not repeat the text: it may hold a password.
Result<std::string> database_uri_in(std::string_view uri, const std::string& folder) {
  if (is_postgres_uri(uri)) {
    TRY(postgres_name(std::string(uri)));
    return std::string(uri);
  }
  if (!uri.starts_with(kSqlite)) {
    const std::string_view scheme = uri.substr(0, uri.find("://"));
    return invalid_input(fmt::format("{} is no database: write sqlite:PATH or postgresql://user@host/database",
                                     scheme.size() == uri.size() ? "it" : fmt::format("\"{}\"", scheme)));
  }
  uri.remove_prefix(kSqlite.size());
  if (uri.starts_with("///")) uri.remove_prefix(3);
  if (uri.empty() || uri.ends_with('/')) return invalid_input("sqlite: needs the path of a file: sqlite:PATH");
  TRY_ASSIGN(const std::string absolute, absolute_uri(uri.starts_with('/') ? std::string(uri) : fmt::format("{}/{}", folder, uri)));
  TRY_ASSIGN(const std::string path, local_path(absolute));
  return std::string(kSqlite) + path;
}

std::string sqlite_path_of(const std::string& uri) { return uri.starts_with(kSqlite) ? uri.substr(kSqlite.size()) : ""; }

Result<std::string> warehouse_in(const std::string& text, const std::string& folder) {
  const bool relative = !is_local(text) && scheme_of(text).empty();
  TRY_ASSIGN(std::string uri, absolute_uri(relative ? fmt::format("{}/{}", folder, text) : text));
  while (uri.ends_with('/') && uri != "file:///") uri.pop_back();
  return uri;
}

/// A server interprets warehouse and properties: they go to it as they are.
Result<CatalogConfig> read_rest_catalog(const YamlFile& file, YamlMap map, CatalogConfig catalog) {
  TRY(map.apply(
      "uri",
      [](const std::string& uri) -> Result<std::string> {
        if (uri.starts_with("http://") || uri.starts_with("https://")) return uri;
        return invalid_input(fmt::format("\"{}\" is no address of a REST catalog: http://HOST:PORT or https://...", uri));
      },
      catalog.uri));
  TRY(map.apply_text("warehouse", catalog.warehouse));
  constexpr std::string_view kEveryKey[] = {""};
  TRY_ASSIGN(catalog.properties, map.take_prefixed(kEveryKey));
  if (!map.has("uri")) return std::unexpected(map.error(fmt::format("catalog \"{}\": uri is missing", catalog.name)));
  if (const auto ca = catalog.properties.find("ssl.cabundle"); ca != catalog.properties.end() && !ca->second.starts_with('/')) {
    ca->second = fmt::format("{}/{}", file.folder, ca->second);
  }
  return catalog;
}

Result<CatalogConfig> read_catalog(const YamlFile& file, const std::string& name, const YAML::Node& node) {
  TRY_ASSIGN(YamlMap map, YamlMap::open(file, node, fmt::format("catalog \"{}\"", name)));
  CatalogConfig catalog{.name = name};
  TRY(map.apply(
      "type",
      [](const std::string& type) -> Result<std::string> {
        if (type != "sql" && type != "rest") return invalid_input(fmt::format("\"{}\" is no type of catalog: sql | rest", type));
        return type;
      },
      catalog.type));
  if (catalog.type == "rest") return read_rest_catalog(file, std::move(map), std::move(catalog));
  TRY(map.apply("uri", [&](const std::string& uri) { return database_uri_in(uri, file.folder); }, catalog.uri));
  TRY(map.apply("warehouse", [&](const std::string& text) { return warehouse_in(text, file.folder); }, catalog.warehouse));
  constexpr std::string_view kStoreProperties[] = {"s3.", "gcs.", "adls.", "client."};
  TRY_ASSIGN(catalog.properties, map.take_prefixed(kStoreProperties));
  TRY(map.finish());
  for (const char* key : {"uri", "warehouse"}) {
    if (!map.has(key)) return std::unexpected(map.error(fmt::format("catalog \"{}\": {} is missing", name, key)));
  }
  return catalog;
}

/// Lays `over` over `base`: maps key by key, everything else replaced. Nodes keep the places they came from.
void merge_over(YAML::Node base, const YAML::Node& over) {
  for (const auto& entry : over) {
    const std::string key = entry.first.Scalar();
    const YAML::Node below = std::as_const(base)[key];
    if (!below.IsDefined()) {
      base.force_insert(entry.first, entry.second);
    } else if (below.IsMap() && entry.second.IsMap()) {
      merge_over(below, entry.second);
    } else {
      base[key] = entry.second;
    }
  }
}

Result<void> apply_profile(const YamlFile& file, YAML::Node root, const std::string& profile) {
  YAML::Node profiles = root["profiles"];
  if (profiles && !profiles.IsNull() && !profiles.IsMap()) {
    return std::unexpected(error_at(file, profiles.Mark(), "profiles: expected a map of profiles"));
  }
  if (!profile.empty()) {
    const YAML::Node chosen = profiles && profiles.IsMap() ? profiles[profile] : YAML::Node(YAML::NodeType::Undefined);
    if (!chosen) {
      std::vector<std::string> names;
      if (profiles && profiles.IsMap()) {
        for (const auto& entry : profiles) names.push_back(entry.first.Scalar());
      }
      return invalid_input(fmt::format("{}: no profile \"{}\"; there is: {}", file.name, profile,
                                       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    if (!chosen.IsMap()) return std::unexpected(error_at(file, chosen.Mark(), fmt::format("profile \"{}\": expected a map", profile)));
    merge_over(root, chosen);
  }
  root.remove("profiles");
  return {};
}

Result<Config> read_root(const YamlFile& file, YAML::Node root, const ConfigOptions& options) {
  TRY_ASSIGN(Config config, default_config(options));
  if (root.IsNull()) root = YAML::Node(YAML::NodeType::Map);
  TRY(YamlMap::open(file, root, file.name));  // before the profile is laid over: a doubled key must not vanish in the merge
  TRY(apply_profile(file, root, options.profile));
  TRY_ASSIGN(YamlMap map, YamlMap::open(file, root, file.name));
  std::string ledger;
  TRY(map.apply("ledger", [&](const std::string& uri) { return database_uri_in(uri, file.folder); }, ledger));
  if (!ledger.empty() && options.ledger.empty()) config.ledger_uri = std::move(ledger);
  if (map.has("catalogs")) config.catalogs.clear();
  TRY(map.apply_map("catalogs", [&](YamlMap& catalogs) -> Result<void> {
    for (const auto& [name, node] : catalogs.take_rest()) {
      TRY_ASSIGN(config.catalogs[name], read_catalog(file, name, node));
    }
    return {};
  }));
  std::vector<std::string> names;
  for (const auto& [name, catalog] : config.catalogs) names.push_back(name);
  TRY(map.apply_map("ingestions", [&](YamlMap& ingestions) -> Result<void> {
    for (const auto& [name, node] : ingestions.take_rest()) {
      TRY_ASSIGN(Ingestion ingestion, read_ingestion(file, name, node, names, config.warnings));
      config.ingestions.push_back(std::move(ingestion));
    }
    return {};
  }));
  TRY(map.finish());
  return config;
}

std::optional<std::string> process_environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

std::string CatalogConfig::sqlite_path() const { return sqlite_path_of(uri); }

std::string Config::ledger_path() const { return sqlite_path_of(ledger_uri); }

std::string Config::ledger_name() const {
  return is_postgres_uri(ledger_uri) ? postgres_name(ledger_uri).value_or("postgresql") : ledger_path();
}

Result<Ingestion> Config::ingestion(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const Ingestion& ingestion : ingestions) {
    if (ingestion.name == name) return ingestion;
    names.push_back(ingestion.name);
  }
  return fail(ErrorCode::kNotFound, fmt::format("no ingestion \"{}\"{}; there is: {}", name, did_you_mean(name, names),
                                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

void hide_secrets(const Config& config, Redaction& redaction) {
  const auto hide = [&](const Properties& properties) {
    for (const auto& [name, value] : properties) {
      if (may_be_secret(name)) redaction.hide(value);
    }
  };
  for (const auto& [name, catalog] : config.catalogs) hide(catalog.properties);
  for (const Ingestion& ingestion : config.ingestions) {
    for (const Source& source : ingestion.sources) hide(source.store);
  }
}

Result<Config> default_config(const ConfigOptions& options) {
  Config config;
  TRY_ASSIGN(const std::string home, absolute_uri(options.home + "/"));
  TRY_ASSIGN(const std::string folder, local_path(home));
  config.ledger_uri = fmt::format("{}{}ledger.db", kSqlite, folder);
  if (!options.ledger.empty()) {
    auto chosen = database_uri_in(options.ledger, std::filesystem::current_path().string());
    if (!chosen) return std::unexpected(chosen.error().within("--ledger"));
    config.ledger_uri = *std::move(chosen);
  }
  TRY_ASSIGN(std::string warehouse, warehouse_in(options.warehouse, std::filesystem::current_path().string()));
  config.catalogs[kDefaultCatalog] = {
      .name = kDefaultCatalog, .uri = fmt::format("sqlite:{}catalog.db", folder), .warehouse = std::move(warehouse)};
  return config;
}

Result<Config> parse_config(const std::string& text, const std::string& name, const std::string& folder, const ConfigOptions& options) {
  const YamlFile file{name, folder, options.environment ? options.environment : process_environment};
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return invalid_input(fmt::format("{}: holds {} documents; one is expected", name, documents.size()));
    return read_root(file, documents.empty() ? YAML::Node() : documents.front(), options);
  } catch (const YAML::Exception& error) {
    return std::unexpected(error_at(file, error.mark, error.msg));
  }
}

Result<Config> read_config(const std::string& path, const ConfigOptions& options) {
  std::ifstream in(path, std::ios::binary);
  std::error_code ignored;
  if (!in && !std::filesystem::exists(path, ignored)) return fail(ErrorCode::kNotFound, fmt::format("{}: no such file", path));
  if (!in || std::filesystem::is_directory(path, ignored)) return invalid_input(fmt::format("{}: cannot be read", path));
  if (static_cast<int64_t>(std::filesystem::file_size(path, ignored)) > kConfigBytesMax) {
    return invalid_input(fmt::format("{}: larger than {} bytes", path, kConfigBytesMax));
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  TRY_ASSIGN(const std::string uri, absolute_uri(path));
  TRY_ASSIGN(const std::string absolute, local_path(uri));
  return parse_config(text, path, absolute.substr(0, absolute.rfind('/')), options);
}

}  // namespace sluice
