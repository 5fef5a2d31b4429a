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

/// Thrown where a process dies: nothing of it runs any more.
struct Died {};

/// Rows over another CatalogRows whose next insert or swap goes wrong.
class UnsureRows final : public CatalogRows {
 public:
  explicit UnsureRows(std::unique_ptr<CatalogRows> rows) : rows_(std::move(rows)) {}

  std::string uri() const override { return rows_->uri(); }
  Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) override {
    auto row = rows_->find(ns, name);
    std::exchange(found, [] {})();
    return row;
  }
  Result<std::vector<TableRow>> tables() override { return rows_->tables(); }
  Result<void> begin_attempt(const CatalogAttempt& attempt) override { return rows_->begin_attempt(attempt); }
  Result<void> insert(const TableRow& row) override {
    return write([this, row] { return rows_->insert(row); });
  }
  Result<void> swap(const TableRow& row, const std::string& expected) override {
    return write([this, row, expected] { return rows_->swap(row, expected); });
  }
  Result<bool> end_attempt(const std::string& location) override {
    if (unreachable) return fail(ErrorCode::kUnavailable, "no connection");
    if (open_) TRY(std::exchange(open_, nullptr)());  // a database makes us wait for the transaction that holds the row
    return rows_->end_attempt(location);
  }
  Result<void> forget_attempt(const std::string& location) override { return rows_->forget_attempt(location); }
  Result<std::vector<CatalogAttempt>> attempts() override { return rows_->attempts(); }

  enum { kSound, kUnknownBefore, kUnknownAfter, kUnknownOpen, kDies } next = kSound;
  std::function<void()> found = [] {};  ///< happens once, right after a table was looked for
  std::function<void()> first = [] {};  ///< happens while the write is on its way
  std::function<void()> then = [] {};   ///< happens before the answer arrives
  bool unreachable = false;             ///< nothing can be found out

 private:
  Result<void> write(std::function<Result<void>()> effect) {
    const auto now = std::exchange(next, kSound);
    std::exchange(first, [] {})();
    if (now == kDies) throw Died{};
    if (now == kSound) return effect();
    if (now == kUnknownAfter) TRY(effect());
    if (now == kUnknownOpen) open_ = std::move(effect);
    std::exchange(then, [] {})();
    return fail(ErrorCode::kOutcomeUnknown, "the connection was lost");
  }

  const std::unique_ptr<CatalogRows> rows_;
  std::function<Result<void>()> open_;  ///< a transaction that the database has, but has not committed yet
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

  std::unique_ptr<Catalog> open_unsure() {
    auto rows = std::make_unique<UnsureRows>(*open_sqlite_catalog_rows(path(), "local"));
    unsure_ = rows.get();
    return make_sql_catalog(std::move(rows), "mem://lake", stores_, {}, clock_);
  }
  bool stored(const std::string& key) {
    const auto keys = store_.keys();
    return std::ranges::find(keys, key) != keys.end();
  }
  int64_t attempts() { return std::ssize(*(*open_sqlite_catalog_rows(path(), "local"))->attempts()); }
  static TableChange change() { return {{}, {SetProperties{{{"who", "us"}}}}}; }

  const std::string folder_;
  ManualClock clock_;
  MemoryStore store_{clock_};
  SingleStore stores_{store_};
  Context context_;
  UnsureRows* unsure_ = nullptr;
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
  auto catalog = open_unsure();
  unsure_->next = UnsureRows::kUnknownAfter;
  auto made = catalog->create(kTable, {test_schema()}, context_);
  ASSERT_TRUE(made) << made.error().message;
  unsure_->next = UnsureRows::kUnknownAfter;
  auto committed = catalog->commit(*made, change(), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(catalog->load(kTable, context_)->metadata_location, committed->metadata_location);
}

// Prevents rule U being guessed: that the row stands at the old place is no refusal while nobody can ask whether the write is still under
// way. Its file stays; once it was found out, it goes.
TEST_F(SqlCatalogTest, UnknownStaysUnknownWhileNothingIsProved) {
  auto catalog = open_unsure();
  const LoadedTable base = *catalog->create(kTable, {test_schema()}, context_);
  unsure_->next = UnsureRows::kUnknownBefore;
  unsure_->unreachable = true;
  auto unknown = catalog->commit(base, change(), context_);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_EQ(store_.keys().size(), 2U) << "nothing is deleted";
  clock_.advance(kAttemptsKept + std::chrono::minutes(1));
  ASSERT_TRUE(open()->end_attempts("", context_));
  EXPECT_THAT(store_.keys(), testing::ElementsAre(base.metadata_location));
}

// Prevents a run that waits for ever on a write that never arrived: ending the attempt proves it, and then its file is no use to anybody.
TEST_F(SqlCatalogTest, UnknownIsRefusedOnceItCannotLand) {
  auto catalog = open_unsure();
  const LoadedTable base = *catalog->create(kTable, {test_schema()}, context_);
  unsure_->next = UnsureRows::kUnknownBefore;
  auto refused = catalog->commit(base, change(), context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(store_.keys(), testing::ElementsAre(base.metadata_location));
  EXPECT_EQ(attempts(), 0);
}

// Prevents a batch loaded twice on PostgreSQL: a connection lost during COMMIT leaves a transaction that commits a moment later.
TEST_F(SqlCatalogTest, UnknownWaitsForATransactionThatIsOpen) {
  auto catalog = open_unsure();
  unsure_->next = UnsureRows::kUnknownOpen;
  auto made = catalog->create(kTable, {test_schema()}, context_);
  ASSERT_TRUE(made) << made.error().message;
  unsure_->next = UnsureRows::kUnknownOpen;
  auto committed = catalog->commit(*made, change(), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(catalog->load(kTable, context_)->metadata_location, committed->metadata_location);
  EXPECT_EQ(attempts(), 0);
}

// Prevents taking our own landed commit for a refused one when somebody committed on top of it before we could ask; and the reverse.
TEST_F(SqlCatalogTest, UnknownUnderAForeignCommitAsksTheLog) {
  auto catalog = open_unsure();
  const LoadedTable base = *catalog->create(kTable, {test_schema()}, context_);
  const auto foreign = [&] {
    auto other = open();
    ASSERT_TRUE(other->commit(*other->load(kTable, context_), {{}, {SetProperties{{{"foreign", "yes"}}}}}, context_));
  };
  unsure_->then = foreign;
  unsure_->next = UnsureRows::kUnknownAfter;
  auto landed = catalog->commit(base, change(), context_);
  EXPECT_TRUE(landed) << landed.error().message;

  // A sweep gave the attempt up and forgot it, so that only the log tells.
  const auto swept = [&] {
    clock_.advance(kAttemptsKept + std::chrono::minutes(1));
    ASSERT_TRUE(open()->end_attempts("", context_));
    foreign();
  };
  const LoadedTable next = *catalog->load(kTable, context_);
  unsure_->then = swept;
  unsure_->next = UnsureRows::kUnknownBefore;
  EXPECT_EQ(catalog->commit(next, change(), context_).error().code, ErrorCode::kConflict);

  // A log too short to tell.
  ASSERT_TRUE(
      open()->commit(*open()->load(kTable, context_), {{}, {SetProperties{{{"write.metadata.previous-versions-max", "1"}}}}}, context_));
  const LoadedTable last = *catalog->load(kTable, context_);
  unsure_->then = [&] { swept(), foreign(); };
  unsure_->next = UnsureRows::kUnknownBefore;
  EXPECT_EQ(catalog->commit(last, change(), context_).error().code, ErrorCode::kOutcomeUnknown);
}

// Prevents metadata files that nobody names, left by processes that died between writing one and naming it: of a creation as of a change.
TEST_F(SqlCatalogTest, WhatADeadProcessLeftIsFoundByItsBatch) {
  Context of_batch{.batch_id = "b1"};
  auto catalog = open_unsure();
  unsure_->next = UnsureRows::kDies;
  EXPECT_THROW((void)catalog->create(kTable, {test_schema()}, of_batch), Died);
  const LoadedTable made = *open()->create(kTable, {test_schema()}, context_);
  unsure_->next = UnsureRows::kDies;
  EXPECT_THROW((void)catalog->commit(made, change(), of_batch), Died);
  ASSERT_EQ(store_.keys().size(), 3U);
  ASSERT_TRUE(open()->end_attempts("another", context_));
  EXPECT_EQ(store_.keys().size(), 3U) << "what is young may be under way";
  ASSERT_TRUE(open()->end_attempts("b1", context_));
  EXPECT_THAT(store_.keys(), testing::ElementsAre(made.metadata_location));
  EXPECT_EQ(attempts(), 2) << "a late put may bring a file back: it is deleted again for a day";
  clock_.advance(kAttemptsKept + std::chrono::minutes(1));
  ASSERT_TRUE(open()->end_attempts("", context_));
  EXPECT_EQ(attempts(), 0);
}

// Prevents a table that points to a deleted file: a worker sleeps between writing its file and naming it, is swept, and wakes up. Also when
// the table was made and dropped by others meanwhile, so that its insert meets no row.
TEST_F(SqlCatalogTest, ASweptAttemptNeverLands) {
  Context of_batch{.batch_id = "b1"};
  auto catalog = open_unsure();
  unsure_->first = [&] {
    ASSERT_TRUE(open()->end_attempts("b1", context_));
    ASSERT_TRUE(open()->create(kTable, {test_schema()}, context_));
    ASSERT_TRUE(connect()->run_script("DELETE FROM iceberg_tables WHERE catalog_name = 'local'"));
  };
  EXPECT_EQ(catalog->create(kTable, {test_schema()}, of_batch).error().code, ErrorCode::kConflict);
  EXPECT_EQ(open()->load(kTable, context_).error().code, ErrorCode::kNotFound);

  const LoadedTable made = *open()->create(kTable, {test_schema()}, context_);
  unsure_->first = [&] { ASSERT_TRUE(open()->end_attempts("b1", context_)); };
  EXPECT_EQ(catalog->commit(made, change(), of_batch).error().code, ErrorCode::kConflict);
  EXPECT_EQ(open()->load(kTable, context_)->metadata_location, made.metadata_location);
  EXPECT_TRUE(catalog->commit(made, change(), of_batch)) << "a fresh attempt of the same batch is another one";
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

// Prevents the advice to remove the folder of a table that another process made and filled between two looks of ours.
TEST_F(SqlCatalogTest, ATableThatIsMadeMeanwhileIsALostRace) {
  auto catalog = open_unsure();
  unsure_->found = [&] {
    const LoadedTable made = *open()->create(kTable, {test_schema()}, context_);
    ASSERT_TRUE(open()->commit(made, move_main(test_snapshot(5, 1)), context_));
  };
  auto late = catalog->create(kTable, {test_schema()}, context_);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict) << late.error().message;
  EXPECT_TRUE(catalog->load(kTable, context_));
}

// Prevents the same advice where the table was renamed: its files stay where they are.
TEST_F(SqlCatalogTest, ARenamedTableIsNamed) {
  const LoadedTable made = *open()->create(kTable, {test_schema()}, context_);
  ASSERT_TRUE(open()->commit(made, move_main(test_snapshot(5, 1)), context_));
  ASSERT_TRUE(connect()->execute("UPDATE iceberg_tables SET table_name = 'renamed' WHERE table_name = 'events'"));
  auto refused = open()->create(kTable, {test_schema()}, context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(refused.error().message, HasSubstr("already holds table bronze.raw.renamed of this catalog"));
  EXPECT_THAT(refused.error().message, HasSubstr("do not remove the folder"));
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
