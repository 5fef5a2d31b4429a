#include "iceberg/sql_catalog.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/test_metadata.h"
#include "sql/sqlite.h"
#include "storage/memory_store.h"
#include "storage/stores.h"

namespace sluice {
namespace {

using testing::HasSubstr;

const TableId kTable{{"bronze", "raw"}, "events"};

/// Rows over another CatalogRows whose next write says "unknown", before or after it took place.
class UnknownRows final : public CatalogRows {
 public:
  explicit UnknownRows(std::unique_ptr<CatalogRows> rows) : rows_(std::move(rows)) {}

  std::string uri() const override { return rows_->uri(); }
  Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) override { return rows_->find(ns, name); }
  Result<void> insert(const TableRow& row) override {
    return write([&] { return rows_->insert(row); });
  }
  Result<void> swap(const TableRow& row, const std::string& expected) override {
    return write([&] { return rows_->swap(row, expected); });
  }
  Result<std::vector<TableRow>> tables() override { return rows_->tables(); }

  enum { kSound, kBefore, kAfter } next = kSound;
  std::function<void()> then = [] {};  ///< happens before the answer arrives

 private:
  Result<void> write(const std::function<Result<void>()>& effect) {
    const auto now = next;
    next = kSound;
    if (now == kSound) return effect();
    if (now == kAfter) TRY(effect());
    then();
    return fail(ErrorCode::kOutcomeUnknown, "the connection was lost");
  }

  const std::unique_ptr<CatalogRows> rows_;
};

class SqlCatalogTest : public testing::Test {
 protected:
  SqlCatalogTest() : folder_(testing::TempDir() + "/sql-catalog-" + new_uuid()) { std::filesystem::create_directories(folder_); }
  ~SqlCatalogTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/catalog.db"; }
  std::unique_ptr<Catalog> open(const std::string& name = "local") {
    auto catalog = open_sql_catalog(name, path(), "mem://lake", stores_, {}, clock_);
    EXPECT_TRUE(catalog) << catalog.error().message;
    return *std::move(catalog);
  }
  std::unique_ptr<SqliteConnection> connect() { return *SqliteConnection::open(path(), {}); }
  std::string text(const std::string& sql) { return connect()->query_text(sql).value().value_or("null"); }

  std::unique_ptr<Catalog> open_unknown() {
    auto rows = std::make_unique<UnknownRows>(*open_sqlite_catalog_rows(path(), "local"));
    unknown_ = rows.get();
    return make_sql_catalog(std::move(rows), "mem://lake", stores_, {}, clock_);
  }
  bool stored(const std::string& key) {
    const auto keys = store_.keys();
    return std::ranges::find(keys, key) != keys.end();
  }
  static TableChange change() { return {{}, {SetProperties{{{"who", "us"}}}}}; }

  const std::string folder_;
  ManualClock clock_;
  MemoryStore store_{clock_};
  SingleStore stores_{store_};
  Context context_;
  UnknownRows* unknown_ = nullptr;
};

// Prevents rows that PyIceberg and Spark do not see: names, type column and namespaces as they write them.
TEST_F(SqlCatalogTest, WritesRowsAsOthersDo) {
  auto made = open()->create(kTable, {test_schema()}, context_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(made->metadata_location, testing::MatchesRegex("mem://lake/bronze/raw/events/metadata/00000-[0-9a-f-]+\\.metadata\\.json"));
  EXPECT_EQ(text("SELECT catalog_name || '|' || table_namespace || '|' || table_name || '|' || iceberg_type FROM iceberg_tables"),
            "local|bronze.raw|events|TABLE");
  EXPECT_EQ(text("SELECT group_concat(namespace || '=' || property_key || '=' || property_value) FROM iceberg_namespace_properties"),
            "bronze=exists=true,bronze.raw=exists=true");
  auto committed = open()->commit(*made, change(), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_THAT(committed->metadata_location, HasSubstr("/00001-"));
  EXPECT_EQ(text("SELECT previous_metadata_location FROM iceberg_tables"), made->metadata_location);
}

// Prevents a catalog file that Java made (without iceberg_type) from being refused or changed, and views from being taken for tables.
TEST_F(SqlCatalogTest, SharesFilesOfBothForms) {
  ASSERT_TRUE(
      connect()->run_script("CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
                            "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location "
                            "VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, table_name))"));
  auto catalog = open();
  ASSERT_TRUE(catalog->create(kTable, {test_schema()}, context_));
  EXPECT_TRUE(catalog->load(kTable, context_));
  // Java adds the column while we run, and a view beside the table.
  ASSERT_TRUE(
      connect()->run_script("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5); INSERT INTO iceberg_tables VALUES "
                            "('local', 'bronze.raw', 'v', 'mem://v', NULL, 'VIEW')"));
  auto loaded = catalog->load(kTable, context_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(catalog->commit(*loaded, change(), context_));
  EXPECT_EQ(catalog->load({{"bronze", "raw"}, "v"}, context_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(catalog->tables(context_)->size(), 1U);
  EXPECT_EQ(open("other")->load(kTable, context_).error().code, ErrorCode::kNotFound) << "another catalog in the same file";
}

// Prevents breaking the programs that share the file: its journal mode stays as it was.
TEST_F(SqlCatalogTest, LeavesTheJournalModeAlone) {
  ASSERT_TRUE(open()->create(kTable, {test_schema()}, context_));
  EXPECT_EQ(text("PRAGMA journal_mode"), "delete");
}

// Prevents a batch loaded twice: an answer that was lost after the commit took place is found out to be done.
TEST_F(SqlCatalogTest, UnknownButDoneIsDone) {
  auto catalog = open_unknown();
  unknown_->next = UnknownRows::kAfter;
  auto made = catalog->create(kTable, {test_schema()}, context_);
  ASSERT_TRUE(made) << made.error().message;
  unknown_->next = UnknownRows::kAfter;
  auto committed = catalog->commit(*made, change(), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(catalog->load(kTable, context_)->metadata_location, committed->metadata_location);
}

// Prevents a table whose metadata we deleted: after a lost answer the file stays, even where the row does not name it.
TEST_F(SqlCatalogTest, UnknownAndNotThereRemovesNothing) {
  auto catalog = open_unknown();
  const LoadedTable base = *catalog->create(kTable, {test_schema()}, context_);
  const size_t files = store_.keys().size();
  unknown_->next = UnknownRows::kBefore;
  auto refused = catalog->commit(base, change(), context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_.keys().size(), files + 1);
}

// Prevents taking our own landed commit for a refused one when somebody committed on top of it before we could ask.
TEST_F(SqlCatalogTest, UnknownUnderAForeignCommitAsksTheLog) {
  auto catalog = open_unknown();
  const LoadedTable base = *catalog->create(kTable, {test_schema()}, context_);
  const auto foreign = [&] {
    auto other = open();
    ASSERT_TRUE(other->commit(*other->load(kTable, context_), {{}, {SetProperties{{{"foreign", "yes"}}}}}, context_));
  };
  unknown_->then = foreign;
  unknown_->next = UnknownRows::kAfter;
  auto landed = catalog->commit(base, change(), context_);
  EXPECT_TRUE(landed) << landed.error().message;

  const LoadedTable next = *catalog->load(kTable, context_);
  unknown_->next = UnknownRows::kBefore;
  auto unclear = catalog->commit(next, change(), context_);
  ASSERT_FALSE(unclear);
  EXPECT_EQ(unclear.error().code, ErrorCode::kOutcomeUnknown);
}

// Prevents heaps of metadata files behind a busy table: what falls out of the log is deleted where the table asks, nothing else is.
TEST_F(SqlCatalogTest, DeletesOldMetadataOnRequest) {
  CreateTable wanted{test_schema()};
  wanted.properties = {{"write.metadata.previous-versions-max", "1"}, {"write.metadata.delete-after-commit.enabled", "true"}};
  auto catalog = open();
  const LoadedTable first = *catalog->create(kTable, wanted, context_);
  const LoadedTable second = *catalog->commit(first, change(), context_);
  EXPECT_TRUE(stored(first.metadata_location));
  const LoadedTable third = *catalog->commit(second, change(), context_);
  EXPECT_FALSE(stored(first.metadata_location));
  EXPECT_TRUE(stored(second.metadata_location));
  EXPECT_TRUE(stored(third.metadata_location));
}

// Prevents gzip metadata (a table property) from being written under a name that readers take for plain, or from being unreadable.
TEST_F(SqlCatalogTest, HonoursTheCompressionOfMetadata) {
  CreateTable wanted{test_schema()};
  wanted.properties = {{"write.metadata.compression-codec", "gzip"}};
  auto catalog = open();
  auto made = catalog->create(kTable, wanted, context_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(made->metadata_location, testing::EndsWith(".gz.metadata.json"));
  auto committed = catalog->commit(*catalog->load(kTable, context_), change(), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_THAT(committed->metadata_location, HasSubstr("/00001-"));
  EXPECT_EQ(catalog->load(kTable, context_)->metadata.properties.at("who"), "us");
}

// Prevents two tables in one folder: a place that holds another catalog's table is refused, an abandoned creation is not.
TEST_F(SqlCatalogTest, RefusesAPlaceThatIsTaken) {
  const LoadedTable first = *open()->create(kTable, {test_schema()}, context_);
  auto other = open("other");
  EXPECT_TRUE(other->create(kTable, {test_schema()}, context_)) << "only an empty creation lies there";
  ASSERT_TRUE(open()->commit(first, move_main(test_snapshot(5, 1)), context_));
  auto refused = open("third")->create(kTable, {test_schema()}, context_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("already holds a table"));
}

// Prevents a table whose metadata file is gone from looking like no table, which would create it anew and load everything again.
TEST_F(SqlCatalogTest, LostMetadataIsNoMissingTable) {
  const LoadedTable made = *open()->create(kTable, {test_schema()}, context_);
  const VersionedKey key{made.metadata_location, ""};
  ASSERT_TRUE(store_.remove({&key, 1}, context_));
  auto loaded = open()->load(kTable, context_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(loaded.error().message, HasSubstr(made.metadata_location));
}

}  // namespace
}  // namespace sluice
