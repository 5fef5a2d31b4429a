// A ledger that was lost or restored from an old copy, made anew from the table: afterwards rule M trusts the pair, nothing is loaded
// twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/rebuild.h"
#include "world/dying_processes.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

Result<RebuildReport> rebuild_at(World& world, const std::string& home, const RebuildOptions& options = {}) {
  auto process = world.start({}, home);
  return rebuild(process->parts(), process->registered(), process->sink(), options, process->context);
}

Result<RunReport> run_at(World& world, const std::string& home) { return world.start({}, home)->run(); }

/// Rows of all loaded files, as the ledger counts them.
int64_t rows_known(Process& process) {
  int64_t rows = 0;
  const auto page = process.ledger().files({.ingestion = process.registered().id});
  for (const FileRecord& file : page->files) rows += file.rows;
  return rows;
}

// Bug: a lost ledger that can only be forgotten: everything is loaded again, or nothing ever.
TEST(Rebuild, ALostLedgerIsMadeAnewFromTheFooters) {
  World world;
  world.put("a.json", {1, 2});
  world.run();
  world.put("b.json", {3});
  world.run();
  world.put("c.json", {4});  // nobody has loaded it
  EXPECT_THAT(error_of(world, "new"), HasSubstr("sluice rebuild"));

  const auto report = rebuild_at(world, "new");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_loaded, 2);
  EXPECT_EQ(report->files_to_load, 1);
  EXPECT_EQ(report->data_files_without_footer, 0);

  const auto run = run_at(world, "new");
  ASSERT_TRUE(run && run->run.error.empty()) << run->run.error;
  EXPECT_EQ(run->run.metrics.files_processed, 1);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3, 4));
  const auto again = run_at(world, "new");  // now under its own mark
  EXPECT_EQ(again->run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3, 4));
}

// Bug: a version that was loaded before the last one is loaded again when the file comes back as it was.
TEST(Rebuild, KnowsEveryVersionThatTheTableHolds) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put("a.json", {2, 22});
  world.run();
  ASSERT_TRUE(rebuild_at(world, "new"));
  auto process = world.start({}, "new");
  EXPECT_EQ(rows_known(*process), 2);
  EXPECT_EQ(process->run()->run.metrics.files_processed, 0);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 22));
}

// Bug: after a restore from an old copy the files loaded since are loaded twice, or the batch that the copy has unfinished blocks for good.
TEST(Rebuild, CatchesUpFromAnOlderCopyOfTheLedger) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.back_up_ledger("old");
  world.put("b.json", {2});
  world.run();
  world.restore_ledger("old");
  EXPECT_THAT(error_of(world, "home"), HasSubstr("the ledger is older than the table"));
  const auto report = rebuild_at(world, "home");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_loaded, 2);
  world.put("c.json", {3});
  EXPECT_EQ(run_at(world, "home")->run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after the rebuild", /*orphans=*/false);
}

// Bug: a rebuild that is interrupted or asked for twice counts rows twice.
TEST(Rebuild, MayBeRepeated) {
  World world;
  world.put("a.json", {1, 2});
  world.run();
  ASSERT_TRUE(rebuild_at(world, "new"));
  const auto again = rebuild_at(world, "new");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->files_loaded, 1);
  auto process = world.start({}, "new");
  EXPECT_EQ(rows_known(*process), 2);
}

// Bug: a rebuild of one ingestion that takes the files of another one in the same table for its own.
TEST(Rebuild, LeavesOtherIngestionsAlone) {
  World world;
  world.put("a.json", {1});
  {
    auto process = world.start();
    Ingestion other = process->registered();
    other.name = "other", other.id = {};
    other = *process->ledger().put_ingestion(other);
    ASSERT_TRUE(process->run(other));
  }
  world.put("b.json", {2});
  const auto report = rebuild_at(world, "new");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->versions_by_footer, 0);
  EXPECT_EQ(report->files_to_load, 2);
}

// Bug: files that are gone from the table (their data files were deleted) taken for loaded because they were once.
TEST(Rebuild, FilesWhoseDataIsNoLongerThereAreNotAttributed) {
  World world;
  world.put("a.json", {1});
  world.run();
  const int64_t first = world.table().metadata.current_snapshot()->snapshot_id;
  world.put("b.json", {2});
  world.run();
  world.commit({{}, {SetSnapshotRef{"main", SnapshotRef{first}}}});
  const auto report = rebuild_at(world, "new");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_loaded, 1);
  EXPECT_EQ(report->files_to_load, 1);
  EXPECT_EQ(run_at(world, "new")->run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
}

// Bug: --assume-loaded-until that loads what it was told to take for loaded, or takes later files with it.
TEST(Rebuild, TakesFilesForLoadedUntilATime) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put("old.json", {2});
  const auto report = rebuild_at(world, "new", {.assume_loaded_until = Timestamp{4'000'000'000'000'000}});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files_loaded, 2);
  EXPECT_EQ(report->files_to_load, 0);
  EXPECT_EQ(run_at(world, "new")->run.error, "");
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1));
}

// Bug: files of which there is no object count as converted because somebody assumed it, and verify never misses them.
TEST(Rebuild, AssumesNothingOfObjects) {
  World world;
  world.use_objects();
  world.put("a.json", {1});
  const auto report = rebuild_at(world, "new", {.assume_loaded_until = Timestamp{4'000'000'000'000'000}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(report.error().message, HasSubstr("Leave out --assume-loaded-until"));
  EXPECT_EQ(run_at(world, "new")->run.metrics.files_processed, 1);
}

}  // namespace
}  // namespace sluice
