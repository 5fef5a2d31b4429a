// The SQL catalog on PostgreSQL: the suite of every catalog, and what its database may be like.
#include <gmock/gmock.h>

#include <mutex>

#include "iceberg/catalog_conformance.h"
#include "iceberg/sql_catalog.h"
#include "sql/postgres_test_database.h"

namespace sluice {
namespace {

/// One schema per test, told apart by the test's folder.
Result<std::unique_ptr<Catalog>> open_postgres(const std::string& folder, StoreProvider& stores, Clock& clock) {
  static std::mutex mutex;
  static std::string owner;
  static std::unique_ptr<PostgresTestDatabase> database;
  std::lock_guard lock(mutex);
  if (owner != folder) database = PostgresTestDatabase::make();
  owner = folder;
  return open_sql_catalog("lake", database->uri(), "mem://lake", stores, {}, clock);
}

std::vector<CatalogUnderTest> with_server() {
  if (PostgresTestDatabase::make() == nullptr) return {};
  return {{"Postgres", open_postgres}};
}

INSTANTIATE_TEST_SUITE_P(Postgres, CatalogConformance, testing::ValuesIn(with_server()), [](const auto& info) { return info.param.name; });

class PostgresCatalogRows : public testing::Test {
 protected:
  void SetUp() override {
    database_ = PostgresTestDatabase::make();
    if (database_ == nullptr) GTEST_SKIP() << "no server";
  }
  std::unique_ptr<CatalogRows> open() {
    auto rows = open_postgres_catalog_rows(database_->uri(), "lake");
    EXPECT_TRUE(rows.has_value()) << rows.error().message;
    return std::move(*rows);
  }
  static CatalogAttempt attempt(const std::string& location) { return {.location = location, .batch = "b", .started_at = {}}; }

  std::unique_ptr<PostgresTestDatabase> database_;
};

// Prevents: tables that Java made without iceberg_type being refused, and views in tables of the later form being taken for tables.
TEST_F(PostgresCatalogRows, UsesTablesOfBothForms) {
  auto db = database_->connect();
  ASSERT_TRUE(
      db->run_script("CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
                     "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
                     "PRIMARY KEY (catalog_name, table_namespace, table_name))"));
  auto rows = open();
  ASSERT_TRUE(rows->begin_attempt(attempt("m1")));
  ASSERT_TRUE(rows->insert({"a.b", "t", "m1"}));
  EXPECT_EQ(rows->find("a.b", "t").value()->metadata_location, "m1");
  // Another program takes the tables to the later form while we run.
  ASSERT_TRUE(db->run_script("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)"));
  ASSERT_TRUE(db->run_script("INSERT INTO iceberg_tables VALUES ('lake', 'a.b', 'v', 'm9', NULL, 'VIEW')"));
  ASSERT_TRUE(rows->begin_attempt(attempt("m2")));
  ASSERT_TRUE(rows->insert({"a.b", "u", "m2"}));
  EXPECT_EQ(rows->tables()->size(), 2u);
  EXPECT_EQ(rows->find("a.b", "v").value(), std::nullopt);
  EXPECT_EQ(db->query_text("SELECT iceberg_type FROM iceberg_tables WHERE table_name = 'u'").value(), "TABLE");
  EXPECT_EQ(db->query_integer("SELECT count(*) FROM iceberg_namespace_properties WHERE property_key = 'exists'").value(), 2);
}

// Prevents: an ended attempt whose commit is still in flight landing after its file was deleted.
TEST_F(PostgresCatalogRows, AnEndedAttemptCannotLand) {
  auto rows = open();
  ASSERT_TRUE(rows->begin_attempt(attempt("m1")));
  EXPECT_TRUE(open()->end_attempt("m1").value());
  EXPECT_EQ(rows->insert({"a", "t", "m1"}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(rows->find("a", "t").value(), std::nullopt);
  EXPECT_EQ(rows->attempts()->size(), 1u);
  ASSERT_TRUE(rows->forget_attempt("m1"));
  EXPECT_TRUE(rows->attempts()->empty());
}

// Prevents: a password in the uri that batches are pinned to and errors name.
TEST_F(PostgresCatalogRows, ItsNameHoldsNoSecret) { EXPECT_THAT(open()->uri(), testing::MatchesRegex("postgresql://[^@]*/[^@?]*#lake")); }

}  // namespace
}  // namespace sluice
