#include <fmt/format.h>

#include <mutex>

#include "iceberg/catalog_rows.h"
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

class SqliteCatalogRows final : public CatalogRows {
 public:
  SqliteCatalogRows(std::unique_ptr<SqliteConnection> connection, std::string catalog_name)
      : connection_(std::move(connection)), catalog_name_(std::move(catalog_name)), attempts_name_(catalog_name_ + kAttemptsSuffix) {}

  std::string uri() const override { return "sqlite:" + connection_->path() + "#" + catalog_name_; }

  Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(const std::string of_tables, only_tables());
    TRY_ASSIGN(const auto location,
               connection_->query_text("SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? "
                                       "AND table_name = ?" +
                                           of_tables,
                                       catalog_name_, ns, name));
    if (!location) return std::nullopt;
    return TableRow{ns, name, *location};
  }

  Result<void> insert(const TableRow& row) override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(const bool typed, has_type_column());
    return connection_->transact([&]() -> Result<void> {
      TRY(complete_attempt(row));
      TRY(make_namespaces(row.ns));
      const std::string type_column = typed ? ", iceberg_type" : "";
      const std::string type_value = typed ? ", 'TABLE'" : "";
      auto inserted = connection_->execute(fmt::format("INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
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
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(const std::string of_tables, only_tables());
    return connection_->transact([&]() -> Result<void> {
      TRY(complete_attempt(row));
      TRY_ASSIGN(const int64_t changed,
                 connection_->execute("UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE "
                                      "catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?" +
                                          of_tables,
                                      row.metadata_location, expected, catalog_name_, row.ns, row.name, expected));
      if (changed == 1) return {};
      return fail(ErrorCode::kConflict, fmt::format("table {}.{} was changed by somebody else", row.ns, row.name));
    });
  }

  Result<void> begin_attempt(const CatalogAttempt& attempt) override {
    std::lock_guard lock(mutex_);
    const std::string file = attempt.location.substr(attempt.location.rfind('/') + 1);
    TRY(connection_->execute(
        "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) VALUES (?, ?, ?, ?)", attempts_name_,
        attempt.batch.empty() ? kNoBatch : attempt.batch, fmt::format("{} {}", to_text(attempt.started_at), file), attempt.location));
    return {};
  }

  Result<bool> end_attempt(const std::string& location) override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(const int64_t found,
               connection_->execute("UPDATE iceberg_tables SET previous_metadata_location = ? WHERE catalog_name = ? AND "
                                    "metadata_location = ?",
                                    kEnded, attempts_name_, location));
    return found == 1;
  }

  Result<void> forget_attempt(const std::string& location) override {
    std::lock_guard lock(mutex_);
    TRY(connection_->execute("DELETE FROM iceberg_tables WHERE catalog_name = ? AND metadata_location = ?", attempts_name_, location));
    return {};
  }

  Result<std::vector<CatalogAttempt>> attempts() override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(auto rows, connection_->query("SELECT table_namespace, table_name, metadata_location, previous_metadata_location FROM "
                                             "iceberg_tables WHERE catalog_name = ? ORDER BY table_name",
                                             attempts_name_));
    std::vector<CatalogAttempt> attempts;
    for (;;) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return attempts;
      const std::string name = rows.text(1);
      const std::string batch = rows.text(0);
      attempts.push_back({rows.text(2), batch == kNoBatch ? "" : batch,
                          parse_timestamp(name.substr(0, name.find(' '))).value_or(Timestamp{}), !rows.is_null(3)});
    }
  }

  Result<std::vector<TableRow>> tables() override {
    std::lock_guard lock(mutex_);
    TRY_ASSIGN(const std::string of_tables, only_tables());
    TRY_ASSIGN(auto rows, connection_->query("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE "
                                             "catalog_name = ?" +
                                                 of_tables + " ORDER BY 1, 2",
                                             catalog_name_));
    std::vector<TableRow> tables;
    for (;;) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return tables;
      tables.push_back({rows.text(0), rows.text(1), rows.text(2)});
    }
  }

 private:
  /// Within the transaction that names the file: the attempt is over with it, and one that was ended by others refuses it.
  Result<void> complete_attempt(const TableRow& row) {
    TRY_ASSIGN(const int64_t found, connection_->execute("DELETE FROM iceberg_tables WHERE catalog_name = ? AND metadata_location = ? AND "
                                                         "previous_metadata_location IS NULL",
                                                         attempts_name_, row.metadata_location));
    if (found == 1) return {};
    return fail(ErrorCode::kConflict, fmt::format("the change of table {}.{} took so long that it was given up", row.ns, row.name));
  }

  /// Asked each time: Spark adds the column to a file of the older form while we run.
  Result<bool> has_type_column() {
    TRY_ASSIGN(const auto count,
               connection_->query_integer("SELECT count(*) FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'"));
    return count.value_or(0) > 0;
  }

  Result<std::string> only_tables() {
    TRY_ASSIGN(const bool typed, has_type_column());
    return std::string(typed ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "");
  }

  /// A namespace exists by its property `exists`, as Java and Python write it; so does each of its parents.
  Result<void> make_namespaces(const std::string& ns) {
    for (size_t end = 0; end != std::string::npos;) {
      end = ns.find('.', end + 1);
      TRY(
          connection_->execute("INSERT OR IGNORE INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
                               "VALUES (?, ?, 'exists', 'true')",
                               catalog_name_, ns.substr(0, end)));
    }
    return {};
  }

  std::mutex mutex_;
  const std::unique_ptr<SqliteConnection> connection_;  // protected by mutex_
  const std::string catalog_name_;
  const std::string attempts_name_;
};

}  // namespace

Result<std::unique_ptr<CatalogRows>> open_sqlite_catalog_rows(const std::string& path, const std::string& catalog_name) {
  auto opened = SqliteConnection::open(path, {});
  if (!opened) return std::unexpected(opened.error().within("opening catalog " + catalog_name));
  TRY((*opened)->run_script(kCreateTables));
  return std::make_unique<SqliteCatalogRows>(*std::move(opened), catalog_name);
}

}  // namespace sluice
