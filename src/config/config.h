// sluice.yaml as values: the ledger, the catalogs and the ingestions. Reads files and the environment once; opens nothing else.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/redaction.h"
#include "model/ingestion.h"

namespace sluice {

struct CatalogConfig {
  std::string name;
  std::string type = "sql";  ///< or "rest"
  std::string uri;           ///< "sqlite:/abs/catalog.db" or "postgresql://..."; rest: "http://host:8181"; may hold a password
  std::string warehouse;     ///< absolute URI: "file:///abs/warehouse"; rest: as the server knows it, may be empty
  Properties properties;     ///< of its store (rest: of the catalog too), by Iceberg's names; may hold secrets

  std::string sqlite_path() const;  ///< of `uri`; empty: it is none of SQLite
};

struct Config {
  std::string ledger_uri;  ///< "sqlite:/abs/ledger.db" or "postgresql://..."; may hold a password
  std::map<std::string, CatalogConfig> catalogs;
  std::vector<Ingestion> ingestions;
  std::vector<std::string> warnings;

  std::string ledger_path() const;  ///< of a SQLite ledger; empty: it is a PostgreSQL database
  std::string ledger_name() const;  ///< to be shown: without secrets

  /// kNotFound: lists the names there are.
  Result<Ingestion> ingestion(std::string_view name) const;
};

struct ConfigOptions {
  std::string home = ".sluice";         ///< of ledger.db and catalog.db where the file does not place them
  std::string warehouse = "warehouse";  ///< of the catalog `local` where the file does not define catalogs
  std::string profile;                  ///< empty: none
  std::string ledger;                   ///< instead of what the file says; relative paths start at the working folder; empty: as it says
  std::function<std::optional<std::string>(std::string_view name)> environment;  ///< empty: that of the process
};

/// Makes the secrets of its catalogs and sources known, so that they are shown, logged and stored nowhere.
void hide_secrets(const Config& config, Redaction& redaction);

/// What holds without sluice.yaml: ledger and catalog `local` below home, no ingestions.
Result<Config> default_config(const ConfigOptions& options);

/// Reads sluice.yaml. Relative paths in it start at its folder. `${env:NAME}` and `${file:PATH}` stand for text in any value, `$${` for
/// "${". A profile (`profiles: {NAME: {...}}`) is laid over the file: maps merge key by key, everything else is replaced.
/// Errors are kInvalidInput and name file:line:column; kNotFound: no such file.
Result<Config> read_config(const std::string& path, const ConfigOptions& options);

/// The same for text; `name` stands for the file in errors, `folder` (absolute) is where relative paths start.
Result<Config> parse_config(const std::string& text, const std::string& name, const std::string& folder, const ConfigOptions& options);

}  // namespace sluice
