// A catalog whose table names are rows of a SQL database, compatible with Iceberg's JdbcCatalog and PyIceberg's SqlCatalog; a commit is
// one compare-and-set on `metadata_location`. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "iceberg/catalog.h"
#include "iceberg/catalog_rows.h"
#include "storage/object_store.h"

namespace sluice {

/// References must outlive the catalog. `store_properties` are those of the warehouse's store.
std::unique_ptr<Catalog> make_sql_catalog(std::unique_ptr<CatalogRows> rows, std::string warehouse, StoreProvider& stores,
                                          std::map<std::string, std::string> store_properties, Clock& clock);

/// In the database `place`: a postgresql:// URI, or the path of a SQLite file, made where it is missing (its folder must exist).
/// A database server that is away is waited for until `stop` is requested.
Result<std::unique_ptr<Catalog>> open_sql_catalog(const std::string& name, const std::string& place, std::string warehouse,
                                                  StoreProvider& stores, std::map<std::string, std::string> store_properties, Clock& clock,
                                                  std::stop_token stop = {});

}  // namespace sluice
