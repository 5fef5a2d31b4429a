#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <tuple>

#include "iceberg/catalog_rows.h"
#include "sql/postgres_pool.h"
#include "sql/sqlite.h"

namespace sluice {
namespace {

// Column names and types as Java and Python create them; V1 has iceberg_type.
constexpr const char* kCreateTables = R"(
CREATE TABLE IF NOT EXISTS iceberg_tables (
  catalog_name VARCHAR(255) NOT NULL,
  table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL,
  metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000),
  iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name));
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
  catalog_name VARCHAR(255) NOT NULL,
  namespace VARCHAR(255) NOT NULL,
  property_key VARCHAR(255) NOT NULL,
  property_value VARCHAR(1000) NOT NULL,
  PRIMARY KEY (catalog_name, namespace, property_key)))";

// Attempts stand in iceberg_tables as well: no table of our own is needed in a database that others own, and no program looks at rows
// of another catalog name. Columns: batch (or "-"), "<started at> <file name>", location, kEnded once it was ended.
constexpr const char* kAttemptsSuffix = "#attempts";
constexpr const char* kNoBatch = "-";
constexpr const char* kEnded = "ended";

/// What differs between databases. Thread-safe.
class CatalogDatabase {
 public:
  using Body = std::function<Result<void>(SqlConnection&)>;
  virtual ~CatalogDatabase() = default;
  /// Without secrets.
  virtual std::string uri() const = 0;
  /// Counts the column that tells tables from views.
  virtual std::string_view count_type_column() const = 0;
  /// One transaction.
  virtual Result<void> write(const Body& body) = 0;
  virtual Result<void> read(const Body& body) = 0;
};

class SqliteCatalogDatabase final : public CatalogDatabase {
 public:
  explicit SqliteCatalogDatabase(std::unique_ptr<SqliteConnection> connection) : connection_(std::move(connection)) {}

  std::string uri() const override { return "sqlite:" + connection_->path(); }
  std::string_view count_type_column() const override {
    return "SELECT count(*) FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'";
  }
  Result<void> write(const Body& body) override {
    std::lock_guard lock(mutex_);
    return connection_->transact([&] { return body(*connection_); });
  }
  Result<void> read(const Body& body) override {
    std::lock_guard lock(mutex_);
    return body(*connection_);
  }

 private:
  std::mutex mutex_;
  const std::unique_ptr<SqliteConnection> connection_;  // protected by mutex_
};

class PostgresCatalogDatabase final : public CatalogDatabase {
 public:
  explicit PostgresCatalogDatabase(std::unique_ptr<PostgresPool> pool) : pool_(std::move(pool)) {}

  std::string uri() const override { return pool_->name(); }
  std::string_view count_type_column() const override {
    return "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('iceberg_tables') AND attname = 'iceberg_type' "
           "AND NOT attisdropped";
  }
  Result<void> write(const Body& body) override {
    return pool_->write([&](PostgresConnection& db) { return body(db); });
  }
  Result<void> read(const Body& body) override {
    return pool_->read([&](PostgresConnection& db) { return body(db); });
  }

 private:
  const std::unique_ptr<PostgresPool> pool_;
};

class SqlCatalogRows final : public CatalogRows {
 public:
  SqlCatalogRows(std::unique_ptr<CatalogDatabase> database, std::string catalog_name)
      : database_(std::move(database)), catalog_name_(std::move(catalog_name)), attempts_name_(catalog_name_ + kAttemptsSuffix) {}

  std::string uri() const override { return database_->uri() + "#" + catalog_name_; }

  Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) override {
    std::optional<TableRow> row;
    TRY(database_->read([&](SqlConnection& db) -> Result<void> {
      TRY_ASSIGN(const std::string of_tables, only_tables(db));
      TRY_ASSIGN(const auto location,
                 db.query_text("SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? "
                               "AND table_name = ?" +
                                   of_tables,
                               catalog_name_, ns, name));
      row = location ? std::optional(TableRow{ns, name, *location}) : std::nullopt;
      return {};
    }));
    return row;
  }

  Result<void> insert(const TableRow& row) override {
    return database_->write([&](SqlConnection& db) -> Result<void> {
      TRY_ASSIGN(const bool typed, has_type_column(db));
      TRY(complete_attempt(db, row));
      TRY(make_namespaces(db, row.ns));
      const std::string type_column = typed ? ", iceberg_type" : "";
      const std::string type_value = typed ? ", 'TABLE'" : "";
      auto inserted = db.execute(fmt::format("INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
                                             "metadata_location{}) VALUES (?, ?, ?, ?{})",
                                             type_column, type_value),
                                 catalog_name_, row.ns, row.name, row.metadata_location);
      if (!inserted && inserted.error().code == ErrorCode::kConflict) {
        return fail(ErrorCode::kConflict, fmt::format("table {}.{} was created by somebody else", row.ns, row.name));
      }
      TRY(inserted);
      return {};
    });
  }

  Result<void> swap(const TableRow& row, const std::string& expected) override {
    return database_->write([&](SqlConnection& db) -> Result<void> {
      TRY_ASSIGN(const std::string of_tables, only_tables(db));
      TRY(complete_attempt(db, row));
      TRY_ASSIGN(const int64_t changed, db.execute("UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE "
                                                   "catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?" +
                                                       of_tables,
                                                   row.metadata_location, expected, catalog_name_, row.ns, row.name, expected));
      if (changed == 1) return {};
      return fail(ErrorCode::kConflict, fmt::format("table {}.{} was changed by somebody else", row.ns, row.name));
    });
  }

  Result<void> begin_attempt(const CatalogAttempt& attempt) override {
    const std::string file = attempt.location.substr(attempt.location.rfind('/') + 1);
    return database_->write([&](SqlConnection& db) -> Result<void> {
      TRY(db.execute("INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) VALUES (?, ?, ?, ?)",
                     attempts_name_, attempt.batch.empty() ? kNoBatch : attempt.batch,
                     fmt::format("{} {}", to_text(attempt.started_at), file), attempt.location));
      return {};
    });
  }

  Result<bool> end_attempt(const std::string& location) override {
    int64_t found = 0;
    TRY(database_->write([&](SqlConnection& db) -> Result<void> {
      TRY_ASSIGN(found, db.execute("UPDATE iceberg_tables SET previous_metadata_location = ? WHERE catalog_name = ? AND "
                                   "metadata_location = ?",
                                   kEnded, attempts_name_, location));
      return {};
    }));
    return found == 1;
  }

  Result<void> forget_attempt(const std::string& location) override {
    return database_->write([&](SqlConnection& db) -> Result<void> {
      TRY(db.execute("DELETE FROM iceberg_tables WHERE catalog_name = ? AND metadata_location = ?", attempts_name_, location));
      return {};
    });
  }

  Result<std::vector<CatalogAttempt>> attempts() override {
    std::vector<CatalogAttempt> attempts;
    TRY(database_->read([&](SqlConnection& db) -> Result<void> {
      attempts.clear();
      TRY_ASSIGN(auto rows, db.query("SELECT table_namespace, table_name, metadata_location, previous_metadata_location FROM "
                                     "iceberg_tables WHERE catalog_name = ?",
                                     attempts_name_));
      for (;;) {
        TRY_ASSIGN(const bool more, rows.next());
        if (!more) break;
        const std::string name = rows.text(1), batch = rows.text(0);
        attempts.push_back({rows.text(2), batch == kNoBatch ? "" : batch,
                            parse_timestamp(name.substr(0, name.find(' '))).value_or(Timestamp{}), !rows.is_null(3)});
      }
      // Here, not there: databases order text by languages.
      std::ranges::stable_sort(attempts, {}, &CatalogAttempt::started_at);
      return {};
    }));
    return attempts;
  }

  Result<std::vector<TableRow>> tables() override {
    std::vector<TableRow> tables;
    TRY(database_->read([&](SqlConnection& db) -> Result<void> {
      tables.clear();
      TRY_ASSIGN(const std::string of_tables, only_tables(db));
      TRY_ASSIGN(auto rows,
                 db.query("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE catalog_name = ?" + of_tables,
                          catalog_name_));
      for (;;) {
        TRY_ASSIGN(const bool more, rows.next());
        if (!more) break;
        tables.push_back({rows.text(0), rows.text(1), rows.text(2)});
      }
      std::ranges::sort(tables, {}, [](const TableRow& row) { return std::tie(row.ns, row.name); });
      return {};
    }));
    return tables;
  }

 private:
  /// Within the transaction that names the file: the attempt is over with it, and one that was ended by others refuses it.
  Result<void> complete_attempt(SqlConnection& db, const TableRow& row) {
    TRY_ASSIGN(const int64_t found, db.execute("DELETE FROM iceberg_tables WHERE catalog_name = ? AND metadata_location = ? AND "
                                               "previous_metadata_location IS NULL",
                                               attempts_name_, row.metadata_location));
    if (found == 1) return {};
    return fail(ErrorCode::kConflict, fmt::format("the change of table {}.{} took so long that it was given up", row.ns, row.name));
  }

  /// Asked each time: Spark adds the column to a file of the older form while we run.
  Result<bool> has_type_column(SqlConnection& db) {
    TRY_ASSIGN(const auto count, db.query_integer(database_->count_type_column()));
    return count.value_or(0) > 0;
  }

  Result<std::string> only_tables(SqlConnection& db) {
    TRY_ASSIGN(const bool typed, has_type_column(db));
    return std::string(typed ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "");
  }

  /// A namespace exists by its property `exists`, as Java and Python write it; so does each of its parents.
  Result<void> make_namespaces(SqlConnection& db, const std::string& ns) {
    for (size_t end = 0; end != std::string::npos;) {
      end = ns.find('.', end + 1);
      TRY(
          db.execute("INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
                     "VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING",
                     catalog_name_, ns.substr(0, end)));
    }
    return {};
  }

  const std::unique_ptr<CatalogDatabase> database_;
  const std::string catalog_name_;
  const std::string attempts_name_;
};

}  // namespace

Result<std::unique_ptr<CatalogRows>> open_sqlite_catalog_rows(const std::string& path, const std::string& catalog_name) {
  auto opened = SqliteConnection::open(path, {});
  if (!opened) return std::unexpected(opened.error().within("opening catalog " + catalog_name));
  TRY((*opened)->run_script(kCreateTables));
  return std::make_unique<SqlCatalogRows>(std::make_unique<SqliteCatalogDatabase>(*std::move(opened)), catalog_name);
}

Result<std::unique_ptr<CatalogRows>> open_postgres_catalog_rows(const std::string& uri, const std::string& catalog_name,
                                                                std::stop_token stop) {
  const auto open = [&]() -> Result<std::unique_ptr<CatalogRows>> {
    TRY_ASSIGN(auto pool, PostgresPool::open({.uri = uri, .stop = stop}));
    TRY(pool->write([&](PostgresConnection& db) -> Result<void> {
      // Who may use the tables may lack the right to make them.
      TRY_ASSIGN(const auto there, db.query_integer("SELECT to_regclass('iceberg_tables') IS NOT NULL AND "
                                                    "to_regclass('iceberg_namespace_properties') IS NOT NULL"));
      if (there == 1) return {};
      // One program at a time: two that make the same table at once fail on PostgreSQL's own tables.
      TRY(db.run_script("SELECT pg_advisory_xact_lock(hashtextextended('sluice catalog tables', 0))"));
      return db.run_script(kCreateTables);
    }));
    return std::make_unique<SqlCatalogRows>(std::make_unique<PostgresCatalogDatabase>(std::move(pool)), catalog_name);
  };
  auto rows = open();
  if (!rows && rows.error().code == ErrorCode::kConflict) rows = open();  // another program made them at the same moment
  if (!rows) return std::unexpected(rows.error().within("opening catalog " + catalog_name));
  return rows;
}

}  // namespace sluice
