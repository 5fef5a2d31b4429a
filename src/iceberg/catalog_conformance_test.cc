#include "iceberg/catalog_conformance.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/fake_rest_server.h"
#include "iceberg/rest_catalog.h"
#include "iceberg/sql_catalog.h"
#include "iceberg/test_metadata.h"

namespace sluice {

void CatalogConformance::SetUp() {
  folder_ = testing::TempDir() + "/catalog-" + new_uuid();
  std::filesystem::create_directories(folder_);
  table_ = {{"ns" + new_uuid().substr(24)}, "events"};
}
void CatalogConformance::TearDown() { std::filesystem::remove_all(folder_); }

std::unique_ptr<Catalog> CatalogConformance::open() {
  auto catalog = GetParam().open(folder_, stores_, clock_);
  EXPECT_TRUE(catalog) << catalog.error().message;
  return *std::move(catalog);
}

TableChange CatalogConformance::move(const LoadedTable& base, const std::string& key, const std::string& value) {
  const Snapshot* before = base.metadata.current_snapshot();
  Snapshot snapshot = test_snapshot(new_snapshot_id(), base.metadata.last_sequence_number + 1);
  snapshot.timestamp_ms = std::max(clock_.now().micros / 1000, base.metadata.last_updated_ms);
  snapshot.manifest_list = base.metadata.location + "/metadata/snap-" + new_uuid() + ".avro";
  if (before) snapshot.parent_snapshot_id = before->snapshot_id;
  TableChange change = move_main(snapshot);
  change.updates.push_back(SetProperties{{{key, value}}});
  change.requirements = {AssertTableUuid{base.metadata.table_uuid},
                         AssertRefSnapshotId{std::string(kMainBranch), before ? std::optional(before->snapshot_id) : std::nullopt}};
  return change;
}

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

CreateTable request() { return {test_schema(), {{2, 0, "city", "identity"}}, "", {{"owner", "me"}}}; }

// Prevents a table that other connections see otherwise than its maker: ids, location and properties are read back the same.
TEST_P(CatalogConformance, CreatesWhatItLoads) {
  auto catalog = open();
  auto missing = catalog->load(table_, context_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  auto made = catalog->create(table_, request(), context_);
  ASSERT_TRUE(made) << made.error().message;
  auto loaded = open()->load(table_, context_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->metadata_location, made->metadata_location);
  EXPECT_EQ(*write_table_metadata(loaded->metadata), *write_table_metadata(made->metadata));
  EXPECT_THAT(loaded->metadata.location, testing::MatchesRegex("[a-z0-9]+:/.*" + table_.ns.front() + ".*"));
  EXPECT_EQ(loaded->metadata.properties.at("owner"), "me");
  EXPECT_EQ(loaded->metadata.default_spec().fields.at(0).field_id, 1000);
  EXPECT_EQ(loaded->metadata.current_snapshot(), nullptr);
  const auto tables = catalog->tables(context_);
  ASSERT_TRUE(tables) << tables.error().message;
  EXPECT_EQ(std::ranges::count(*tables, table_.text(), &TableId::text), 1);
}

// Prevents that a second worker's creation replaces the table that the first one already loads into.
TEST_P(CatalogConformance, CreatesOnce) {
  ASSERT_TRUE(open()->create(table_, request(), context_));
  auto again = open()->create(table_, request(), context_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
}

// Prevents tables of a format that this program does not write, under a name that says so.
TEST_P(CatalogConformance, MakesVersionTwoOnly) {
  CreateTable wanted = request();
  wanted.properties["format-version"] = "3";
  EXPECT_EQ(open()->create(table_, wanted, context_).error().code, ErrorCode::kInvalidInput);
  wanted.properties["format-version"] = "2";
  auto made = open()->create(table_, wanted, context_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(made->metadata.properties.contains("format-version"));
}

// Prevents a lost update: whoever loaded before somebody else's commit is refused, and what it wrote is not in the table.
TEST_P(CatalogConformance, RefusesACommitOnAnOldLoad) {
  auto catalog = open();
  const LoadedTable base = *catalog->create(table_, request(), context_);
  auto won = open()->commit(base, move(base, "who", "first"), context_);
  ASSERT_TRUE(won) << won.error().message;
  auto lost = catalog->commit(base, move(base, "who", "second"), context_);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kConflict);
  auto now = catalog->load(table_, context_);
  EXPECT_EQ(now->metadata.properties.at("who"), "first");
  EXPECT_EQ(now->metadata_location, won->metadata_location);
  auto again = catalog->commit(*now, move(*now, "who", "second"), context_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->metadata.snapshots.size(), 2U) << "a load must show every snapshot";
  EXPECT_EQ(ancestors_of_main(again->metadata).snapshots.size(), 2U);
}

// Prevents that two workers who both saw an empty table both append their first snapshot: the second would hide the first one's rows.
TEST_P(CatalogConformance, OneOfTwoFirstSnapshotsLands) {
  const LoadedTable base = *open()->create(table_, request(), context_);
  std::atomic<int> landed = 0;
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&, change = move(base, "who", std::to_string(i))] {
        Context context;
        auto committed = open()->commit(base, change, context);
        EXPECT_TRUE(committed || committed.error().code == ErrorCode::kConflict) << committed.error().message;
        landed += committed.has_value();
      });
    }
  }
  EXPECT_EQ(landed, 1);
  EXPECT_EQ(open()->load(table_, context_)->metadata.snapshots.size(), 1U);
}

// Prevents columns of two workers under one field id, and a schema that the table does not show afterwards.
TEST_P(CatalogConformance, SchemaChangesDoNotCollide) {
  auto catalog = open();
  const LoadedTable base = *catalog->create(table_, request(), context_);
  const auto with_column = [&](const char* name) {
    Schema wanted = base.metadata.current_schema();
    wanted.fields.push_back({0, name, false, make_type(TypeId::kString)});
    return *plan_schema_change(base.metadata, wanted);
  };
  auto won = catalog->commit(base, with_column("note"), context_);
  ASSERT_TRUE(won) << won.error().message;
  auto lost = open()->commit(base, with_column("remark"), context_);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kConflict);
  auto loaded = open()->load(table_, context_);
  const Schema& schema = loaded->metadata.current_schema();
  EXPECT_EQ(schema.fields.size(), base.metadata.current_schema().fields.size() + 1);
  EXPECT_EQ(schema.fields.back().name, "note");
  EXPECT_EQ(schema.fields.back().id, base.metadata.last_column_id + 1);
}

// Prevents properties that nobody can take away again, and a commit on a table that was dropped and made again.
TEST_P(CatalogConformance, RemovesPropertiesOfTheRightTable) {
  auto catalog = open();
  LoadedTable base = *catalog->create(table_, request(), context_);
  auto removed = catalog->commit(base, {{AssertTableUuid{base.metadata.table_uuid}}, {RemoveProperties{{"owner"}}}}, context_);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(removed->metadata.properties.contains("owner"));
  EXPECT_FALSE(catalog->load(table_, context_)->metadata.properties.contains("owner"));
  TableChange other = move(*removed, "who", "us");
  other.requirements.front() = AssertTableUuid{"9c12d441-03fe-4693-9a96-a0705ddf69c2"};
  EXPECT_EQ(catalog->commit(*removed, other, context_).error().code, ErrorCode::kConflict);
}

// Prevents a change whose requirements fail from leaving anything: neither table nor objects change.
TEST_P(CatalogConformance, ARefusedRequirementTouchesNothing) {
  auto catalog = open();
  const LoadedTable base = *catalog->create(table_, request(), context_);
  const auto before = store_.keys();
  auto refused = catalog->commit(base, {{AssertTableUuid{new_uuid()}}, {SetProperties{{{"a", "b"}}}}}, context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_.keys(), before);
  EXPECT_EQ(catalog->load(table_, context_)->metadata_location, base.metadata_location);
}

// Prevents two workers at once from both believing that their commit landed: as many increments land as were acknowledged.
TEST_P(CatalogConformance, RacingCommitsLandOnceEach) {
  ASSERT_TRUE(open()->create(table_, request(), context_));
  constexpr int kWorkers = 4, kCommitsEach = 10;
  std::atomic<int> acknowledged = 0;
  const auto work = [&] {
    auto catalog = open();
    Context context;
    for (int landed = 0; landed < kCommitsEach;) {
      auto base = catalog->load(table_, context);
      ASSERT_TRUE(base) << base.error().message;
      const int64_t count = base->metadata.integer_property("count", 0).value();
      auto committed = catalog->commit(*base, move(*base, "count", std::to_string(count + 1)), context);
      ASSERT_TRUE(committed || committed.error().code == ErrorCode::kConflict) << committed.error().message;
      if (committed) ++landed, ++acknowledged;
    }
  };
  std::vector<std::jthread> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(work);
  workers.clear();
  auto after = open()->load(table_, context_);
  EXPECT_EQ(after->metadata.integer_property("count", 0), acknowledged.load());
  EXPECT_EQ(after->metadata.metadata_log.size(), static_cast<size_t>(kWorkers * kCommitsEach));
}

Result<std::unique_ptr<Catalog>> open_sqlite(const std::string& folder, StoreProvider& stores, Clock& clock) {
  return open_sql_catalog("local", folder + "/catalog.db", "mem://lake/", stores, {}, clock);
}

/// The server of a test's folder, made by the first who asks.
Result<std::unique_ptr<Catalog>> open_fake_rest(const std::string& folder, StoreProvider&, Clock& clock) {
  static std::mutex mutex;
  static std::pair<std::string, std::unique_ptr<FakeRestServer>> running;
  const std::lock_guard lock(mutex);
  if (running.first != folder) running = {folder, std::make_unique<FakeRestServer>(clock)};
  return make_rest_catalog({"http://fake", "lake", {}}, running.second->client(), clock);
}

Result<std::unique_ptr<Catalog>> open_real_rest(const std::string&, StoreProvider&, Clock&) {
  static SystemClock clock;
  RestCatalogOptions options{environment("SLUICE_TEST_REST"), environment("SLUICE_TEST_REST_WAREHOUSE"), {}};
  std::istringstream lines(environment("SLUICE_TEST_REST_PROPERTIES"));  // "key=value" each
  for (std::string line; std::getline(lines, line);) options.properties[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
  return open_rest_catalog(std::move(options), clock);
}

std::vector<CatalogUnderTest> catalogs() {
  std::vector<CatalogUnderTest> all = {{"Sqlite", open_sqlite}, {"RestInMemory", open_fake_rest}};
  if (!environment("SLUICE_TEST_REST").empty()) all.push_back({"Rest", open_real_rest});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Catalogs, CatalogConformance, testing::ValuesIn(catalogs()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
