#include "iceberg/catalog_conformance.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/sql_catalog.h"
#include "iceberg/test_metadata.h"

namespace sluice {

void CatalogConformance::SetUp() {
  folder_ = testing::TempDir() + "/catalog-" + new_uuid();
  std::filesystem::create_directories(folder_);
}
void CatalogConformance::TearDown() { std::filesystem::remove_all(folder_); }

std::unique_ptr<Catalog> CatalogConformance::open() {
  auto catalog = GetParam().open(folder_, stores_, clock_);
  EXPECT_TRUE(catalog) << catalog.error().message;
  return *std::move(catalog);
}

namespace {

using testing::HasSubstr;

const TableId kTable{{"bronze"}, "events"};

CreateTable request() { return {test_schema(), {{2, 0, "city", "identity"}}, "", {{"owner", "me"}}}; }

// Prevents a table that other connections see otherwise than its maker: ids, location and properties are read back the same.
TEST_P(CatalogConformance, CreatesWhatItLoads) {
  auto catalog = open();
  auto missing = catalog->load(kTable, context_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  auto made = catalog->create(kTable, request(), context_);
  ASSERT_TRUE(made) << made.error().message;
  auto loaded = open()->load(kTable, context_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->metadata_location, made->metadata_location);
  EXPECT_EQ(*write_table_metadata(loaded->metadata), *write_table_metadata(made->metadata));
  EXPECT_EQ(loaded->metadata.location, "mem://lake/bronze/events");
  EXPECT_EQ(loaded->metadata.properties.at("owner"), "me");
  EXPECT_EQ(loaded->metadata.default_spec().fields.at(0).field_id, 1000);
  EXPECT_EQ(loaded->metadata.current_snapshot(), nullptr);
  EXPECT_EQ(catalog->tables(context_)->at(0).text(), "bronze.events");
}

// Prevents that a second worker's creation replaces the table that the first one already loads into.
TEST_P(CatalogConformance, CreatesOnce) {
  ASSERT_TRUE(open()->create(kTable, request(), context_));
  auto again = open()->create(kTable, request(), context_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
}

// Prevents tables of a format that this program does not write, under a name that says so.
TEST_P(CatalogConformance, MakesVersionTwoOnly) {
  CreateTable wanted = request();
  wanted.properties["format-version"] = "3";
  EXPECT_EQ(open()->create(kTable, wanted, context_).error().code, ErrorCode::kInvalidInput);
  wanted.properties["format-version"] = "2";
  auto made = open()->create(kTable, wanted, context_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(made->metadata.properties.contains("format-version"));
}

// Prevents a lost update: whoever loaded before somebody else's commit is refused, and what it wrote is not in the table.
TEST_P(CatalogConformance, RefusesACommitOnAnOldLoad) {
  auto catalog = open();
  const LoadedTable base = *catalog->create(kTable, request(), context_);
  auto won = open()->commit(base, {{}, {SetProperties{{{"who", "first"}}}}}, context_);
  ASSERT_TRUE(won) << won.error().message;
  auto lost = catalog->commit(base, {{}, {SetProperties{{{"who", "second"}}}}}, context_);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kConflict);
  auto now = catalog->load(kTable, context_);
  EXPECT_EQ(now->metadata.properties.at("who"), "first");
  EXPECT_EQ(now->metadata_location, won->metadata_location);
  EXPECT_TRUE(catalog->commit(*now, {{}, {SetProperties{{{"who", "second"}}}}}, context_));
}

// Prevents a change whose requirements fail from leaving anything: neither table nor objects change.
TEST_P(CatalogConformance, ARefusedRequirementTouchesNothing) {
  auto catalog = open();
  const LoadedTable base = *catalog->create(kTable, request(), context_);
  const auto before = store_.keys();
  auto refused = catalog->commit(base, {{AssertTableUuid{"another"}}, {SetProperties{{{"a", "b"}}}}}, context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_.keys(), before);
  EXPECT_EQ(catalog->load(kTable, context_)->metadata_location, base.metadata_location);
}

// Prevents two workers at once from both believing that their commit landed: as many increments land as were acknowledged.
TEST_P(CatalogConformance, RacingCommitsLandOnceEach) {
  ASSERT_TRUE(open()->create(kTable, request(), context_));
  constexpr int kWorkers = 4, kCommitsEach = 10;
  std::atomic<int> acknowledged = 0;
  const auto work = [&] {
    auto catalog = open();
    Context context;
    for (int landed = 0; landed < kCommitsEach;) {
      auto base = catalog->load(kTable, context);
      ASSERT_TRUE(base) << base.error().message;
      const int64_t count = base->metadata.integer_property("count", 0).value();
      auto committed = catalog->commit(*base, {{}, {SetProperties{{{"count", std::to_string(count + 1)}}}}}, context);
      ASSERT_TRUE(committed || committed.error().code == ErrorCode::kConflict) << committed.error().message;
      if (committed) ++landed, ++acknowledged;
    }
  };
  std::vector<std::jthread> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(work);
  workers.clear();
  auto after = open()->load(kTable, context_);
  EXPECT_EQ(after->metadata.integer_property("count", 0), acknowledged.load());
  EXPECT_EQ(after->metadata.metadata_log.size(), static_cast<size_t>(kWorkers * kCommitsEach));
}

INSTANTIATE_TEST_SUITE_P(Catalogs, CatalogConformance,
                         testing::Values(CatalogUnderTest{"Sqlite",
                                                          [](const std::string& folder, StoreProvider& stores, Clock& clock) {
                                                            return open_sql_catalog("local", folder + "/catalog.db", "mem://lake/", stores,
                                                                                    {}, clock);
                                                          }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
