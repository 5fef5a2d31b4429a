// The rows of a JDBC-compatible SQL catalog as typed operations with compare-and-set: one implementation per database. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice {

/// One row of `iceberg_tables`.
struct TableRow {
  std::string ns;  ///< dot-joined
  std::string name;
  std::string metadata_location;
};

/// Errors: kUnavailable: nothing happened; kOutcomeUnknown: it may have; kCorruption: not a catalog database.
class CatalogRows {
 public:
  virtual ~CatalogRows() = default;
  /// Of the database, without secrets: "sqlite:/abs/catalog.db".
  virtual std::string uri() const = 0;
  virtual Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) = 0;
  /// Also makes the namespace where it is missing. kConflict: the table is there already.
  virtual Result<void> insert(const TableRow& row) = 0;
  /// kConflict: the row is gone or stands elsewhere than `expected`.
  virtual Result<void> swap(const TableRow& row, const std::string& expected) = 0;
  virtual Result<std::vector<TableRow>> tables() = 0;
};

/// SQLite file shared with PyIceberg's SqlCatalog and Spark's JdbcCatalog: tables made by any of them are used as they are (with or
/// without `iceberg_type`), its journal mode is left alone. `catalog_name` must be the name that those use.
Result<std::unique_ptr<CatalogRows>> open_sqlite_catalog_rows(const std::string& path, const std::string& catalog_name);

}  // namespace sluice
