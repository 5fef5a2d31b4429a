// Rules P and T where a table's maintenance, or somebody who changes its columns, comes between publish and confirm. Tests are named after
// the rule.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "iceberg/append.h"
#include "iceberg/metadata_file.h"
#include "world/dying_processes.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Bug: an empty table is made with a value that nobody can read: a corrected definition does not reach it any more. (Definitions are
// checked when they are read; the ledger may hold older ones.)
TEST(Target, IsNotMadeWithAPropertyThatCannotBeRead) {
  World world;
  world.put("a.json", {1});
  world.ingestion.table_properties = {{"write.parquet.compression-codec", "zip"}};
  EXPECT_THAT(error_of(world), HasSubstr("was not made"));
  EXPECT_FALSE(world.has_table());
  world.ingestion.table_properties.clear();
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

/// The table's metadata rewritten in ways that no change of ours has: snapshots expire.
void rewrite(World& world, const std::function<void(TableMetadata&)>& change) {
  LoadedTable table = world.table();
  change(table.metadata);
  const std::string location = new_metadata_location(table.metadata, metadata_file_version(table.metadata_location) + 1);
  Context context;
  ASSERT_TRUE(write_metadata_file(world.store, table.metadata, location, context));
  world.change_catalog(fmt::format("UPDATE iceberg_tables SET metadata_location = '{}'", location));
}

/// Another writer's snapshot with the data files of the one before, or of this manifest list.
void add_foreign_snapshot(World& world, const std::string& manifest_list = "") {
  Context context;
  const LoadedTable base = world.table();
  auto plan = plan_append(world.store, base, {}, 4711, {.object_prefix = "foreign-"}, world.clock, context);
  ASSERT_TRUE(plan);
  for (TableUpdate& update : plan->change.updates) {
    auto* added = std::get_if<AddSnapshot>(&update);
    if (added && !manifest_list.empty()) added->snapshot.manifest_list = manifest_list;
  }
  world.commit(plan->change);
}

/// A manifest list without data files: everything was deleted, or is in files that somebody compacted.
std::string empty_manifest_list(World& world) {
  Context context;
  const std::string path = metadata_location_dir(world.table().metadata) + "/empty.avro";
  EXPECT_TRUE(world.store.put(path, write_manifest_list({}, 4711, std::nullopt, 1).value(), {}, context));
  return path;
}

void expire_all_but_main(World& world) {
  rewrite(world, [](TableMetadata& table) {
    std::erase_if(table.snapshots, [&](const Snapshot& snapshot) { return snapshot.snapshot_id != table.current_snapshot()->snapshot_id; });
  });
}

/// The same as PyIceberg does it: the snapshot that is left forgets that it had a parent.
void expire_as_pyiceberg(World& world) {
  expire_all_but_main(world);
  rewrite(world, [](TableMetadata& table) { table.snapshots.front().parent_snapshot_id.reset(); });
}

void remove_mark(World& world) {
  const IngestionId ingestion = world.start()->registered().id;
  world.commit({{}, {RemoveProperties{{"sluice.ingestion." + ingestion.text}}}});
}

std::vector<BatchState> live_batches(World& world) {
  const auto process = world.start();
  std::vector<BatchState> states;
  for (const BatchRecord& batch : *process->ledger().live_batches(process->registered().id)) states.push_back(batch.state);
  return states;
}

/// A batch of a.json is in the table, and its process died before it heard of it; a stranger's snapshot follows, with its data files or
/// with none, and the mark is gone.
void die_published_unmarked(World& world, bool keeps_files) {
  world.put("a.json", {1, 2});
  die_published(world);
  add_foreign_snapshot(world, keeps_files ? "" : empty_manifest_list(world));
  remove_mark(world);
}

/// A first load, and a batch of a.json that is in the table, and whose process died before it heard of it.
void die_published_behind_another(World& world) {
  world.put("first.json", {7});
  world.run();
  world.put("a.json", {1, 2});
  die_published(world);
}

// Bug: a snapshot that was expired takes its batch for absent: rows that are in the table are published once more.
TEST(RuleP, FindsLiveDataFilesWhereTheSnapshotIsGone) {
  World world;
  die_published_unmarked(world, /*keeps_files=*/true);
  expire_all_but_main(world);
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after recovery", /*orphans=*/false);
}

// Bug: where nothing is left that tells whether a batch landed, it is published again, or called loaded.
TEST(RuleP, StopsWhereNothingTells) {
  World world;
  die_published_unmarked(world, /*keeps_files=*/false);
  expire_all_but_main(world);
  EXPECT_THAT(error_of(world), HasSubstr("may have been published: the snapshots that would tell were expired and its mark is gone"));
  EXPECT_THAT(world.ids(), UnorderedElementsAre());
  EXPECT_THAT(error_of(world), HasSubstr("may have been published")) << "it stops until the operator decides";
  ASSERT_TRUE(world.start()->forget({World::uri("a.json")}, false));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: snapshots and data files are gone, as a compaction with expiry leaves them; the mark is asked by nobody, and the batch is published
// again on top of the compacted rows.
TEST(RuleP, BelievesTheMarkWhereTheHistoryIsGone) {
  World world;
  die_published_behind_another(world);
  add_foreign_snapshot(world, empty_manifest_list(world));
  expire_all_but_main(world);
  EXPECT_EQ(world.run().run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre()) << "published again";
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
}

/// Main was set back, somebody wrote into the table, put the batch's data files into it again (as cherrypick_snapshot does), and expired
/// what main does not need: its history is whole, and the batch's snapshot is not in it.
void pick_again(World& world) {
  const Snapshot ours = *world.table().metadata.current_snapshot();
  roll_back_to(world, *ours.parent_snapshot_id);
  add_foreign_snapshot(world, ours.manifest_list);
  rewrite(world, [&](TableMetadata& table) {
    std::erase_if(table.snapshots, [&](const Snapshot& snapshot) { return snapshot.snapshot_id == ours.snapshot_id; });
  });
}

// Bug: history was cut, or was made anew around the batch's data files: its snapshot is gone from it while its mark and its rows are there,
// and the run stops as after a rollback, or loads the rows again.
TEST(RuleP, FindsLiveDataFilesWhereOnlyTheHistoryWasCut) {
  for (const bool picked : {false, true}) {
    SCOPED_TRACE(picked);
    World world;
    die_published_behind_another(world);
    if (picked) {
      pick_again(world);
    } else {
      add_foreign_snapshot(world);
      expire_all_but_main(world);
    }
    EXPECT_EQ(world.run().run.metrics.records_written, 0);
    EXPECT_THAT(live_batches(world), IsEmpty());
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 7));
    world.put("b.json", {3});
    world.run();
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3, 7));
    world.check_invariants("after recovery", /*orphans=*/false);
  }
}

/// Run after run stops with `message`, and leaves table, objects and batch as they are.
void expect_stops(World& world, const char* message) {
  world.put("new.json", {99});
  const auto objects = world.store.keys();
  for (const char* which : {"the run that takes over", "the one after it"}) {
    SCOPED_TRACE(which);
    EXPECT_THAT(error_of(world), HasSubstr(message));
    EXPECT_EQ(world.store.keys(), objects);
    EXPECT_THAT(live_batches(world), ElementsAre(BatchState::kPrepared));
  }
  world.drop("new.json");
}

/// A batch of a.json whose process died before it confirmed; then CREATE OR REPLACE, which keeps uuid, properties and old snapshots, drops
/// main, and may bring rows of its own. Returns the batch's snapshot.
int64_t die_published_and_replace(World& world, bool with_rows) {
  world.put("a.json", {1, 2});
  die_published(world);
  const int64_t ours = world.table().metadata.current_snapshot()->snapshot_id;
  world.commit({{}, {RemoveSnapshotRef{"main"}}});
  if (with_rows) add_foreign_snapshot(world);
  return ours;
}

// Bug: the mark, which a replaced table keeps, calls its batch present: its files count as loaded, and no row is there. Or the batch is
// published into what somebody emptied.
TEST(RuleP, StopsWhenTheTableWasReplaced) {
  for (const bool with_rows : {false, true}) {
    SCOPED_TRACE(with_rows);
    World world;
    die_published_and_replace(world, with_rows);
    expect_stops(world, "was published, and then the table was rolled back or replaced");
    EXPECT_THAT(world.ids(), IsEmpty());
    ASSERT_TRUE(world.start()->forget({World::uri("a.json")}, false));
    world.run();
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
    world.check_invariants("after the operator gave it up");
  }
}

// Bug: a table that was put right again, as the message asks for, is loaded twice, or stops for good.
TEST(RuleP, FindsTheBatchOnceTheTableWasRestored) {
  World world;
  const int64_t ours = die_published_and_replace(world, /*with_rows=*/true);
  expect_stops(world, "restore the table");
  roll_back_to(world, ours);
  world.run();
  EXPECT_THAT(live_batches(world), IsEmpty());
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after the table was restored");
}

/// The current schema without its column `name`, or with another type for it.
void change_column(World& world, std::shared_ptr<const Type> type) {
  Schema schema = world.table().metadata.current_schema();
  if (type) {
    for (Field& field : schema.fields) {
      if (field.name == "name") field.type = type;
    }
  } else {
    std::erase_if(schema.fields, [](const Field& field) { return field.name == "name"; });
  }
  world.commit({{}, {AddSchema{schema}, SetCurrentSchema{}}});
}

/// A prepared batch with the column `name`, which somebody changes before it is published.
void publish_after(World& world, const std::function<void()>& change) {
  world.put_text("first.json", "{\"id\": 7, \"name\": \"x\"}\n");
  world.run();
  world.put_text("a.json", "{\"id\": 1, \"name\": \"y\"}\n");
  std::unique_ptr<DiesBeforePublish> sink;
  auto process = world.start(wrap_sink<DiesBeforePublish>(sink, [](Sink& inner) { return std::make_unique<DiesBeforePublish>(inner); }));
  ASSERT_TRUE(process->run());
  process.reset();
  const BatchId batch = sink->prepared.batch;
  change();
  world.run();
  EXPECT_EQ((*world.start()->ledger().find_batch(batch))->state, BatchState::kWithdrawn);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 7));
  world.check_invariants("after it was staged again");
}

// Bug: data files with a column that was dropped meanwhile go into the table: readers miss it, and it cannot be added again under its id.
TEST(RuleT, StagesAgainWhatHasAColumnThatWasDropped) {
  World world;
  publish_after(world, [&] { change_column(world, nullptr); });
}

// Bug: data files whose column has another type than the table's by now go into it, and no reader can read them.
TEST(RuleT, StagesAgainWhatHasAnotherType) {
  World world;
  publish_after(world, [&] { change_column(world, make_type(TypeId::kBinary)); });
}

// Bug: a property that somebody set meanwhile, and that nobody can read, keeps a prepared batch from being published, and from being given
// up: it stays WITHDRAWING for good.
TEST(RuleW, GivesABatchUpWhateverThePropertiesSay) {
  World world;
  const PreparedBatch prepared = die_prepared(world, {1, 2});
  Context context;
  const VersionedKey gone{prepared.objects.front().path, ""};
  ASSERT_TRUE(world.store.remove({&gone, 1}, context));
  world.commit({{}, {SetProperties{{{"write.metadata.previous-versions-max", "lots"}, {"commit.manifest.min-count-to-merge", "many"}}}}});
  EXPECT_THAT(error_of(world), testing::AllOf(HasSubstr("table property commit.manifest.min-count-to-merge"), HasSubstr("TBLPROPERTIES")));
  EXPECT_EQ((*world.start()->ledger().find_batch(prepared.batch))->state, BatchState::kWithdrawn);
  EXPECT_THAT(world.ids(), UnorderedElementsAre());
  world.commit({{}, {RemoveProperties{{"write.metadata.previous-versions-max", "commit.manifest.min-count-to-merge"}}}});
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after it was corrected");
}

// Bug: a column that somebody added meanwhile makes a batch be staged again for nothing.
TEST(RuleT, PublishesWhereAColumnWasAdded) {
  World world;
  const PreparedBatch prepared = die_prepared(world, {1, 2});
  Schema schema = world.table().metadata.current_schema();
  schema.fields.push_back({0, "note", false, make_type(TypeId::kString)});
  assign_field_ids(schema.fields, schema.highest_field_id());
  world.commit({{}, {AddSchema{schema}, SetCurrentSchema{}}});
  world.run();
  EXPECT_EQ((*world.start()->ledger().find_batch(prepared.batch))->state, BatchState::kCommitted);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: a history that PyIceberg cut passes for a complete one without our snapshot: the rows of a batch whose mark is gone are loaded
// twice.
TEST(RuleP, KnowsThatPyIcebergCutsHistories) {
  World world;
  die_published_unmarked(world, /*keeps_files=*/true);
  expire_as_pyiceberg(world);
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  EXPECT_THAT(live_batches(world), IsEmpty());
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: what PyIceberg left of a table that was emptied and filled again passes for one that began with it: the rows may be loaded twice.
TEST(RuleP, StopsWhereATableThatWasEmptiedSeemsToBeginThere) {
  World world;
  die_published_unmarked(world, /*keeps_files=*/false);
  expire_as_pyiceberg(world);
  rewrite(world, [](TableMetadata& table) {
    for (const char* total : {"total-records", "total-data-files"}) table.snapshots.front().summary[total] = "0";
  });
  EXPECT_THAT(error_of(world), HasSubstr("may have been published"));
  EXPECT_THAT(live_batches(world), ElementsAre(BatchState::kPrepared));
}

// Bug: the same history makes a table that nobody touched look as if it had been rolled back, and every run stops.
TEST(RuleM, GoesOnWherePyIcebergCutTheHistory) {
  World world;
  world.put("a.json", {1});
  world.run();
  add_foreign_snapshot(world);
  expire_as_pyiceberg(world);
  world.put("b.json", {2});
  EXPECT_EQ(world.run().run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: the same history says that a batch, which a restored ledger calls withdrawn, is not in the table, and its live files are swept.
TEST(RuleW, SweepsNothingThatIsLiveWherePyIcebergCutTheHistory) {
  World world;
  restore_while_staging(world);
  add_foreign_snapshot(world);
  expire_as_pyiceberg(world);
  ASSERT_TRUE(world.start()->forget({}, /*all=*/true));
  world.run();
  world.clock.advance(std::chrono::hours(25));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 1));
}

}  // namespace
}  // namespace sluice
