// One test per rule of the protocol, named after it, over the whole pipeline: real ledger, real catalog, store in memory.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world/dying_processes.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::UnorderedElementsAre;

// Bug: a second run loads what the first one loaded.
TEST(Discover, LoadsOnlyWhatIsNew) {
  World world;
  world.put("a.json", {1, 2});
  EXPECT_EQ(world.run().run.metrics.records_written, 2);
  world.put("b.json", {3});
  const RunReport second = world.run();
  EXPECT_EQ(second.run.metrics.files_processed, 1);
  EXPECT_EQ(second.run.metrics.files_unchanged, 1);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after two runs");
}

// Bug: a store that lists out of byte order makes the merge see known files as new, or miss new ones.
TEST(Discover, CopesWithStoresThatListOutOfOrder) {
  World world;
  for (const char* name : {"a/b.json", "a-b.json", "a.json"}) world.put(name, {static_cast<int64_t>(name[1])});
  world.run();
  world.put("a/c.json", {7});
  EXPECT_EQ(world.run().run.metrics.files_processed, 1);
  EXPECT_EQ(world.ids().size(), 4u);
}

/// A run during which a.json is overwritten: it has been listed, and nothing is staged yet.
void run_while_a_changes(World& world) {
  std::unique_ptr<Meanwhile> sink;
  auto wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] { world.put("a.json", {10, 11}); });
    made->before_stage = true;
    return made;
  });
  auto report = world.start(wrapping)->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.error, "");
}

// Bug: a file overwritten between listing and reading is loaded at the newer version under the older one's name.
TEST(Stage, GivesAFileBackThatChangedSinceItWasListed) {
  World world;
  world.put("first.json", {0});
  world.run();  // makes the table: later loads read a file when they stage it, and not before
  world.put("a.json", {1});
  world.put("b.json", {2});
  run_while_a_changes(world);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(0, 2, 10, 11));  // looked at again in the same run, at the version that it has now
  EXPECT_EQ(world.run().run.metrics.files_processed, 0);
  world.check_invariants("after the changed file was loaded");
}

// Bug: what was read to infer a new table's columns goes into it under a version that it is not of.
TEST(Stage, LoadsWhatWasSampledAtTheVersionItWasReadAt) {
  World world;
  world.put("a.json", {1});
  run_while_a_changes(world);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
  EXPECT_EQ(world.run().run.metrics.files_processed, 1);  // it changed since
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 10, 11));
  world.check_invariants("after the newer version was loaded");
}

// Bug: an answer lost after the commit landed makes the next process publish the batch again.
TEST(RuleP, FindsABatchThatLandedBeforeItsProcessDied) {
  World world;
  world.put("a.json", {1, 2, 3});
  die_published(world);
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after recovery");
}

// Bug: a prepared batch is staged a second time instead of being finished.
TEST(RuleR, FinishesAPreparedBatchOfADeadWorkerAtOnce) {
  World world;
  const PreparedBatch prepared = die_prepared(world, {1, 2});
  world.run();
  EXPECT_EQ(world.table().metadata.current_snapshot()->snapshot_id, prepared.snapshot_id);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after recovery");
}

// Bug: files staged by a dead worker stay behind, or are published although a foreign orphan clean-up removed some.
TEST(RuleR, WithdrawsAPreparedBatchWhoseDataWasRemoved) {
  World world;
  const PreparedBatch prepared = die_prepared(world, {1, 2});
  Context context;
  const VersionedKey gone{prepared.objects.front().path, ""};
  ASSERT_TRUE(world.store.remove({&gone, 1}, context));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  auto process = world.start();
  EXPECT_EQ((*process->ledger().find_batch(prepared.batch))->state, BatchState::kWithdrawn);
  world.check_invariants("after the withdrawal");
}

// Bug: a table that spreads its files over hashed prefixes keeps the leftovers of a batch that was given up, for no listing finds them.
TEST(RuleW, SweepsHashedPrefixesToo) {
  World world;
  world.ingestion.table_properties = {{"write.object-storage.enabled", "true"}};
  const PreparedBatch prepared = die_prepared(world, {1, 2});
  const std::string data_file = prepared.objects.front().path;
  EXPECT_THAT(data_file, MatchesRegex("file:///wh/t/events/data/[01]{4}/[01]{4}/[01]{4}/[01]{8}/.*parquet"));
  Context context;
  const VersionedKey gone{prepared.objects.back().path, ""};
  ASSERT_NE(gone.key, data_file);
  ASSERT_TRUE(world.store.remove({&gone, 1}, context));
  world.run();
  EXPECT_FALSE(world.store.stat(data_file, context));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after the withdrawal");
}

// Bug: a rollback after the batch landed, but before it was confirmed, makes recovery publish rows that somebody took out.
TEST(RuleP, StopsWhenTheTableWasRolledBackBeforeConfirm) {
  World world;
  world.put("a.json", {1});
  world.run();
  const int64_t first = world.table().metadata.current_snapshot()->snapshot_id;
  world.put("b.json", {2});
  die_published(world);
  roll_back_to(world, first);
  EXPECT_THAT(error_of(world), HasSubstr("rolled back"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: files are added to a table that was rolled back behind what the ledger calls loaded, and nobody notices the hole.
TEST(RuleM, StopsWhenTheTableWasRolledBackAfterConfirm) {
  World world;
  world.put("a.json", {1});
  world.run();
  const int64_t first = world.table().metadata.current_snapshot()->snapshot_id;
  world.put("b.json", {2});
  world.run();
  roll_back_to(world, first);
  world.put("c.json", {3});
  EXPECT_THAT(error_of(world), HasSubstr("rolled back"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: CREATE OR REPLACE keeps uuid, properties and mark and drops main: files are added to a table that lost what the ledger calls loaded.
TEST(RuleM, StopsWhenTheTableWasReplacedAfterConfirm) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.commit({{}, {RemoveSnapshotRef{"main"}}});
  world.put("b.json", {2});
  EXPECT_THAT(error_of(world), HasSubstr("rolled back, restored or replaced"));
  EXPECT_THAT(world.ids(), IsEmpty());
}

// Bug: a ledger restored from an older backup loads files again that the table holds.
TEST(RuleM, StopsWhenTheLedgerIsOlderThanTheTable) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.back_up_ledger("backup");
  world.put("b.json", {2});
  world.run();
  world.restore_ledger("backup");
  EXPECT_THAT(error_of(world), HasSubstr("ledger is older than the table"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: a backup taken while a batch was staging knows the batch, so that "known" alone would let recovery delete its live files.
TEST(RuleM, StopsWhenTheBackupWasTakenWhileABatchWasStaging) {
  World world;
  restore_while_staging(world);
  EXPECT_THAT(error_of(world), HasSubstr("ledger is older than the table"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: another home folder with the same catalog and table has an empty ledger and loads everything once more.
TEST(RuleM, StopsForTheLedgerOfAnotherHome) {
  World world;
  world.put("a.json", {1});
  world.run();
  EXPECT_THAT(error_of(world, "elsewhere"), HasSubstr("another ledger"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: somebody removes the mark; the next run takes the table for one it never wrote to.
TEST(RuleM, StopsWhenTheMarkIsGone) {
  World world;
  world.put("a.json", {1});
  world.run();
  const std::string key = std::string(kMarkPrefix) + world.start()->registered().id.text;
  world.commit({{}, {RemoveProperties{{key}}}});
  world.put("b.json", {2});
  EXPECT_THAT(error_of(world), HasSubstr("is gone"));
}

// Bug: files loaded before are remembered as loaded, although the table of that name is a new, empty one.
TEST(RuleT, StopsWhenTheTableWasDropped) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.change_catalog("DELETE FROM iceberg_tables");
  world.put("b.json", {2});
  EXPECT_THAT(error_of(world), HasSubstr("is gone"));
}

// Bug: a batch staged for one table is published into another that has its name.
TEST(RuleT, NeverPublishesIntoATableMadeAgain) {
  World world;
  const PreparedBatch prepared = die_prepared(world, {1});
  world.change_catalog("DELETE FROM iceberg_tables");
  auto process = world.start();
  Context context;
  CreateTable request;
  request.schema.fields = {{1, "id", false, make_type(TypeId::kLong), ""}};
  request.location = "file:///wh/elsewhere";
  ASSERT_TRUE(process->catalog().create({{"t"}, "events"}, request, context));
  process.reset();
  EXPECT_THAT(error_of(world), HasSubstr("was staged for table"));
  EXPECT_EQ(world.table().metadata.current_snapshot(), nullptr);
}

// Bug: an ingestion that is pointed at another table goes on as if its files were there; with nothing new to load it says that all is done.
TEST(RuleT, StopsWhenTheIngestionIsPointedElsewhere) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.ingestion.table.name = "others";
  EXPECT_THAT(error_of(world), AllOf(HasSubstr("has loaded into table t.events so far"), HasSubstr("table t.others now")));
  auto process = world.start();
  Context context;
  CreateTable request;
  request.schema.fields = {{1, "id", false, make_type(TypeId::kLong), ""}};
  ASSERT_TRUE(process->catalog().create({{"t"}, "others"}, request, context));
  process.reset();
  EXPECT_THAT(error_of(world), HasSubstr("has loaded into table t.events so far"));
}

// Bug: a lost race for the schema overwrites the other worker's column.
TEST(Target, TwoWorkersMayAddDifferentColumnsAtOnce) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put_text("b.json", "{\"id\": 2, \"b\": 1}\n");
  std::unique_ptr<Meanwhile> sink;
  auto wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] {
      world.put_text("c.json", "{\"id\": 3, \"c\": \"x\"}\n");
      world.start()->run({.files_from = std::vector{World::uri("c.json")}});
    });
    made->before_evolve = true;
    return made;
  });
  auto process = world.start(wrapping);
  auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.error, "");
  process.reset();
  EXPECT_NE(world.table().metadata.current_schema().find("b"), nullptr);
  EXPECT_NE(world.table().metadata.current_schema().find("c"), nullptr);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after both");
}

// Bug: a commit that lost the race is retried blindly, or another writer's snapshot is overwritten.
TEST(Publish, RebasesOnForeignCommits) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put("b.json", {2});
  std::unique_ptr<Meanwhile> sink;
  auto wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] { world.commit({{}, {SetProperties{{{"owner", "somebody"}}}}}); });
    made->before_publish = true;
    return made;
  });
  auto process = world.start(wrapping);
  ASSERT_TRUE(process->run());
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  EXPECT_EQ(world.table().metadata.property("owner", ""), "somebody");
  world.check_invariants("after the rebase");
}

// Bug: `forget` on a file of a prepared batch lets both the old batch and a new one publish its rows.
TEST(RuleF, ForgetFinishesAPreparedBatchFirst) {
  World world;
  die_prepared(world, {1});
  auto process = world.start();
  auto forgotten = process->forget({World::uri("a.json")}, false);
  ASSERT_TRUE(forgotten) << forgotten.error().message;
  EXPECT_EQ(*forgotten, 1);
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: an operator whose table was rolled back on purpose can never load into it again.
TEST(RuleF, ForgetAllIsAWayOutOfARollback) {
  World world;
  world.put("a.json", {1});
  world.run();
  const int64_t first = world.table().metadata.current_snapshot()->snapshot_id;
  world.put("b.json", {2});
  world.run();
  roll_back_to(world, first);
  auto process = world.start();
  ASSERT_TRUE(process->forget({}, true));
  process.reset();
  world.drop("a.json");
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: untracked loads leave file entries behind, or their batches confuse rule M.
TEST(RuleN, UntrackedLoadsLeaveNoEntries) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.ingestion.tracking = false;
  EXPECT_EQ(world.run().run.metrics.records_written, 1);
  world.ingestion.tracking = true;
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 1));
}

// Bug: a worker that was stalled until somebody took its batch over publishes it a second time.
TEST(RuleJ, AStalledWorkerIsRefusedAfterTakeover) {
  World world;
  world.put("a.json", {1});
  std::unique_ptr<Meanwhile> sink;
  auto wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] {
      world.clock.advance(std::chrono::minutes(10));
      world.run();
    });
    made->before_publish = true;
    return made;
  });
  auto process = world.start(wrapping);
  auto report = process->run();
  ASSERT_TRUE(report) << report.error().message;
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
  world.check_invariants("after the stalled worker woke");
}

// Bug: on_change: fail loses the loaded rows' record, or loads the refused content; a touched file counts as changed.
TEST(OnChange, FailKeepsTheLoadedVersion) {
  World world;
  world.ingestion.on_change = OnChange::kFail;
  world.put("a.json", {1});
  world.run();
  world.put("a.json", {1});  // touched: another version, the same content
  EXPECT_EQ(world.run().run.metrics.files_failed, 0);
  world.put("a.json", {2});
  auto process = world.start();
  auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.metrics.files_failed, 1);
  FilesQuery query;
  query.ingestion = process->registered().id;
  EXPECT_EQ(process->ledger().files(query)->files.at(0).state, FileState::kSuccess);
  EXPECT_EQ(process->ledger().attempts(query.ingestion, World::uri("a.json"))->at(0).error_type, "Changed");
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: on_change: append loads a touched file twice (same content_hash), or misses a changed one.
TEST(OnChange, AppendLoadsChangedContentOnly) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put("a.json", {1});
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  world.put("a.json", {1, 2});
  EXPECT_EQ(world.run().run.metrics.records_written, 2);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 1, 2));
}

// Bug: on_change: ignore looks at a changed file in every run, or loads it.
TEST(OnChange, IgnoreStaysQuiet) {
  World world;
  world.ingestion.on_change = OnChange::kIgnore;
  world.put("a.json", {1});
  world.run();
  world.put("a.json", {2});
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  EXPECT_EQ(world.run().run.metrics.files_unchanged, 1);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

}  // namespace
}  // namespace sluice
