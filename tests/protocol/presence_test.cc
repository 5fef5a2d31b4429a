// Rules P and T where a table's maintenance, or somebody who changes its columns, comes between publish and confirm. Tests are named after
// the rule.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "iceberg/append.h"
#include "iceberg/metadata_file.h"
#include "world/dying_processes.h"

namespace sluice {
namespace {

using testing::HasSubstr;
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

/// Another writer's snapshot with the data files of the one before, or with none: everything was deleted, or is in files that it compacted.
void add_foreign_snapshot(World& world, bool keeps_files) {
  Context context;
  const LoadedTable base = world.table();
  auto plan = plan_append(world.store, base, {}, 4711, {.object_prefix = "foreign-"}, world.clock, context);
  ASSERT_TRUE(plan);
  if (!keeps_files) {
    const std::string empty = write_manifest_list({}, plan->snapshot_id, std::nullopt, plan->sequence_number).value();
    for (TableUpdate& update : plan->change.updates) {
      auto* added = std::get_if<AddSnapshot>(&update);
      if (!added) continue;
      added->snapshot.manifest_list += ".empty.avro";
      ASSERT_TRUE(world.store.put(added->snapshot.manifest_list, empty, {}, context));
    }
  }
  world.commit(plan->change);
}

void expire_all_but_main(World& world) {
  rewrite(world, [](TableMetadata& table) {
    std::erase_if(table.snapshots, [&](const Snapshot& snapshot) { return snapshot.snapshot_id != table.current_snapshot()->snapshot_id; });
  });
}

void remove_mark(World& world) {
  const IngestionId ingestion = world.start()->registered().id;
  world.commit({{}, {RemoveProperties{{"sluice.ingestion." + ingestion.text}}}});
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
  world.put("a.json", {1, 2});
  die_published(world);
  add_foreign_snapshot(world, /*keeps_files=*/true);
  remove_mark(world);
  expire_all_but_main(world);
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after recovery", /*orphans=*/false);
}

// Bug: where nothing is left that tells whether a batch landed, it is published again, or called loaded.
TEST(RuleP, StopsWhereNothingTells) {
  World world;
  world.put("a.json", {1, 2});
  die_published(world);
  add_foreign_snapshot(world, /*keeps_files=*/false);
  remove_mark(world);
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
  add_foreign_snapshot(world, /*keeps_files=*/false);
  expire_all_but_main(world);
  EXPECT_EQ(world.run().run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre()) << "published again";
  EXPECT_EQ(world.run().run.metrics.records_written, 0);
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

}  // namespace
}  // namespace sluice
