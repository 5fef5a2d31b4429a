// The rows of a JDBC-compatible SQL catalog as typed operations with compare-and-set: one implementation per database. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace sluice {

/// One row of `iceberg_tables`.
struct TableRow {
  std::string ns;  ///< dot-joined
  std::string name;
  std::string metadata_location;
};

/// A metadata file that is announced before it is written and before any row names it, so that what a process leaves behind when it dies
/// in between is known by name. Kept in `iceberg_tables` under a catalog name of its own, where no other program looks.
struct CatalogAttempt {
  std::string location;  ///< of the metadata file
  std::string batch;     ///< whose attempt it is; empty: of a change outside any batch
  Timestamp started_at;  ///< by the clock of whoever began it
  bool ended = false;    ///< no row names the location, and none ever will
};

/// Errors: kUnavailable: nothing happened; kOutcomeUnknown: it may have; kCorruption: not a catalog database.
class CatalogRows {
 public:
  virtual ~CatalogRows() = default;
  /// Of the catalog in its database, without secrets: "sqlite:/abs/catalog.db#name", "postgresql://host/database#name".
  virtual std::string uri() const = 0;
  virtual Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) = 0;
  virtual Result<std::vector<TableRow>> tables() = 0;

  /// Announces the attempt that insert or swap completes. Locations are never used twice.
  virtual Result<void> begin_attempt(const CatalogAttempt& attempt) = 0;
  /// Takes the attempt of row.metadata_location off the list and names that location, in one transaction. Also makes the namespace where
  /// it is missing. kConflict: the table is there already, or the attempt was ended.
  virtual Result<void> insert(const TableRow& row) = 0;
  /// As insert. kConflict: the row is gone or stands elsewhere than `expected`, or the attempt was ended.
  virtual Result<void> swap(const TableRow& row, const std::string& expected) = 0;
  /// true: no insert or swap to `location` took place, and none can take place any more, also of a transaction that is still open: this
  /// waits until such a one has ended (row lock). false: the attempt is not on the list: it took place, or it was forgotten. Safe to
  /// repeat.
  virtual Result<bool> end_attempt(const std::string& location) = 0;
  /// Takes an ended attempt off the list, once its file is gone. Safe to repeat.
  virtual Result<void> forget_attempt(const std::string& location) = 0;
  /// All of this catalog, oldest first.
  virtual Result<std::vector<CatalogAttempt>> attempts() = 0;
};

/// SQLite file shared with PyIceberg's SqlCatalog and Spark's JdbcCatalog: tables made by any of them are used as they are (with or
/// without `iceberg_type`), its journal mode is left alone. `catalog_name` must be the name that those use.
Result<std::unique_ptr<CatalogRows>> open_sqlite_catalog_rows(const std::string& path, const std::string& catalog_name);

/// The same in the current schema of a PostgreSQL database. A commit whose answer was lost is looked up (sql/postgres.h).
Result<std::unique_ptr<CatalogRows>> open_postgres_catalog_rows(const std::string& uri, const std::string& catalog_name,
                                                                std::stop_token stop = {});

}  // namespace sluice
