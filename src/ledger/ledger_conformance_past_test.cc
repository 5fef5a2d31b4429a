// What discovery makes of files that the history knows, and of those that another source has, for every ledger.
#include <fmt/format.h>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;

/// A version of a file that a rebuild found in a target, its rows in pieces. Batches are in the order in which they are made.
std::vector<AdoptedFile> pieces_of(const std::string& path, const std::string& version, const std::vector<int64_t>& rows) {
  const BatchId batch(new_uuid());
  std::vector<AdoptedFile> pieces;
  for (const int64_t count : rows) {
    pieces.push_back({path, version, batch, RowRange{fmt::format("/w/{}.parquet", pieces.size()), 0, count}, ""});
  }
  return pieces;
}

void adopt(WorkLedger& work, const IngestionId& ingestion, const std::vector<AdoptedFile>& pieces) {
  must(work.adopt(ingestion, std::vector{pieces.front().batch}, pieces, 0));
}

// Prevents: a file that two sources list loaded twice, or two records of it in one batch, which no ledger can end.
TEST_P(LedgerConformance, APathHasOneRecordInAnIngestion) {
  discover_new({"/in/a", "/in/north/b"});
  source_ = SourceId("north");
  const DiscoverResult other = discover({seen("/in/north/b", "v1"), seen("/in/north/c", "v1")});
  EXPECT_EQ(other.added, 1);
  EXPECT_EQ(other.elsewhere, 1);
  EXPECT_EQ(other.elsewhere_bytes, 10);
  EXPECT_EQ(other.ignored + other.skipped + other.changed + other.lost_race, 0);
  EXPECT_EQ(claim(a_).files.size(), 3u);
  EXPECT_EQ(file("/in/north/b").source, SourceId("live"));
  EXPECT_THAT(known(), ElementsAre(testing::Field(&KnownFile::path, "/in/north/c")));
}

// Prevents: a change that nobody sees once the source that had the file is gone, or lists it no more; the loaded state lost on the way.
TEST_P(LedgerConformance, AChangeMovesTheRecordToTheSourceThatSawIt) {
  discover_new({"/a", "/b"});
  load();
  source_ = SourceId("other");
  EXPECT_EQ(discover({seen("/a", "v2"), seen("/b", "v1")}).changed, 1);
  EXPECT_EQ(file("/a").source, source_);
  EXPECT_EQ(file("/a").loaded_version, "v1");
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_EQ(file("/b").source, SourceId("live"));
  EXPECT_EQ(discover({seen("/b", "v2")}, OnChange::kIgnore).ignored, 1);
  EXPECT_EQ(claim(a_).files.size(), 1u);
  EXPECT_EQ(discover({seen("/a", "v3", "v2")}).lost_race, 1) << "its batch holds it";
}

// Prevents: another ingestion's record of a path taken for one of this ingestion's sources.
TEST_P(LedgerConformance, IngestionsDoNotShareFiles) {
  discover_new({"/a"});
  Ingestion other;
  other.name = "other";
  ingestion_ = must(a_.handle->registry().put_ingestion(other)).id;
  run_ = start_run(a_);
  source_ = SourceId("north");
  discover({seen("/z", "v1")});
  source_ = SourceId("south");
  EXPECT_EQ(discover({seen("/a", "v1")}).added, 1);
}

// Prevents: many overlapping files told apart wrongly where one group of rows ends.
TEST_P(LedgerConformance, ManyFilesOfTwoSources) {
  std::vector<Seen> first, second;
  for (int i = 0; i < 150; i += 3) first.push_back(seen(fmt::format("/{:03}", i), "v1"));
  for (int i = 0; i < 150; ++i) second.push_back(seen(fmt::format("/{:03}", i), i % 6 == 0 ? "v2" : "v1"));
  discover(first);
  source_ = SourceId("second");
  const DiscoverResult result = discover(second);
  EXPECT_EQ(result.added, 100);
  EXPECT_EQ(result.changed, 25);
  EXPECT_EQ(result.elsewhere, 25);
  EXPECT_EQ(claim(a_).files.size(), 150u);
}

// Prevents: an object that stays at the version between, or away, when its file goes back to an earlier one.
TEST_P(LedgerConformance, WhereVersionsReplaceOneAnotherOnlyTheLastIsLoaded) {
  DiscoverRequest replacing = discovery();
  replacing.replaces = true;
  const auto change = [&](const char* from, const char* to) {
    return must(a_.work().record_discovered(replacing, std::vector{seen("/a", to, from)}));
  };
  discover_new({"/a"});
  load();
  EXPECT_EQ(change("v1", "v2").changed, 1);
  load();
  EXPECT_EQ(change("v2", "v1").changed, 1);
  EXPECT_EQ(file("/a").loaded_version, "v2");
  load();
  EXPECT_EQ(file("/a").loaded_version, "v1");
  EXPECT_EQ(file("/a").rows, 5);
  EXPECT_EQ(change("v1", "v2").changed, 1);
  EXPECT_EQ(change("v2", "v1").ignored, 1) << "nothing has replaced it";
  EXPECT_EQ(file("/a").rows, 5);
}

// Prevents: the version that came back shown with the rows of the one before, and never as done.
TEST_P(LedgerConformance, AVersionThatComesBackIsTheLoadedOneAgain) {
  discover_new({"/a"});
  load();
  discover({seen("/a", "v2", "v1")});
  const ClaimedBatch batch = claim(a_);
  FileResult more = result_of(batch.files[0], FileOutcome::kLoaded);
  more.rows = 8, more.ranges = {{"/w/t/data/2.parquet", 0, 6}, {"/w/t/data/3.parquet", 0, 2}};
  must(a_.work().prepare(batch.lease, record_of(batch), std::vector{more}));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(file("/a").rows, 8);
  EXPECT_EQ(discover({seen("/a", "v1", "v2")}).ignored, 1);
  EXPECT_EQ(file("/a").loaded_version, "v1");
  EXPECT_EQ(file("/a").rows, 5);
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).ignored, 1);
  EXPECT_EQ(file("/a").rows, 8);
  EXPECT_EQ(discover({seen("/a", "v3", "v2")}).changed, 1);
  EXPECT_EQ(claim(a_).files[0].loaded_hash, "hash-v2");
}

// Prevents: a touched file loaded once more, for its content is compared with nothing, or with that of the version between.
TEST_P(LedgerConformance, AVersionThatComesBackHasItsOwnContent) {
  discover_new({"/a", "/b"});
  load();
  discover({seen("/a", "v2", "v1"), seen("/b", "v2", "v1")});
  const ClaimedBatch second = claim(a_);
  FileResult pieces = result_of(second.files[0], FileOutcome::kLoaded);
  pieces.ranges = {{"/w/t/data/2.parquet", 0, 4}, {"/w/t/data/3.parquet", 0, 1}};
  must(a_.work().prepare(second.lease, record_of(second), std::vector{pieces, result_of(second.files[1], FileOutcome::kUnchanged)}));
  must(a_.work().confirm(second.lease, published()));
  EXPECT_EQ(discover({seen("/a", "v1", "v2"), seen("/b", "v1", "v2")}).ignored, 2);
  EXPECT_EQ(discover({seen("/a", "v3", "v1"), seen("/b", "v3", "v1")}).changed, 2);
  const ClaimedBatch third = claim(a_);
  EXPECT_EQ(third.files[0].loaded_hash, "hash-v1");
  EXPECT_EQ(third.files[1].loaded_hash, "hash-v1");
  prepare(a_, third);
  must(a_.work().confirm(third.lease, published()));
  EXPECT_EQ(discover({seen("/a", "v2", "v3"), seen("/b", "v2", "v3")}).ignored, 2) << "the second had been looked at only";
  EXPECT_EQ(discover({seen("/a", "v4", "v2"), seen("/b", "v4", "v2")}).changed, 2);
  const ClaimedBatch fourth = claim(a_);
  EXPECT_EQ(fourth.files[0].loaded_hash, "hash-v2");
  EXPECT_EQ(fourth.files[1].loaded_hash, "hash-v2");
}

// Prevents: what a rebuild found compared with the hash of something else.
TEST_P(LedgerConformance, WhatARebuildFoundHasNoHash) {
  discover_new({"/a"});
  load();
  adopt(a_.work(), ingestion_, pieces_of("/a", "v2", {1}));
  adopt(a_.work(), ingestion_, pieces_of("/b", "v1", {1}));
  EXPECT_EQ(discover({seen("/a", "v2", "v1"), seen("/b", "v1")}).ignored, 2);
  EXPECT_EQ(discover({seen("/a", "v3", "v2"), seen("/b", "v2", "v1")}).changed, 2);
  for (const ClaimedFile& file : claim(a_).files) EXPECT_EQ(file.loaded_hash, "") << file.path;
}

// Prevents: a ledger restored from an old copy that says the old version's rows are there, after a rebuild found a newer one.
TEST_P(LedgerConformance, AnAdoptedNewerVersionIsTheLoadedOne) {
  discover_new({"/a", "/b"});
  load();
  discover({seen("/b", "v2", "v1")});  // what the copy has seen of it
  adopt(a_.work(), ingestion_, pieces_of("/a", "v2", {4, 3}));
  adopt(a_.work(), ingestion_, pieces_of("/b", "v2", {1, 1}));
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).ignored, 1);
  EXPECT_EQ(must(a_.work().count_adopted(ingestion_)), 2);
  EXPECT_EQ(file("/a").loaded_version, "v2");
  EXPECT_EQ(file("/a").rows, 7);
  EXPECT_EQ(file("/b").loaded_version, "v2");
  EXPECT_EQ(file("/b").rows, 2);
  const auto loads = must(a_.handle->history().loads(ingestion_, "/a"));
  ASSERT_EQ(loads.size(), 3u);
  EXPECT_EQ(loads.front().version, "v1");
  EXPECT_EQ(loads.back().version, "v2");
}

// Prevents: an object's rows counted for each time that its version was written.
TEST_P(LedgerConformance, AnAdoptedObjectHasTheRowsOfTheLastOne) {
  DiscoverRequest replacing = discovery();
  replacing.replaces = true;
  const char* versions[] = {"v1", "v2", "v1"};
  for (const char* version : versions) adopt(a_.work(), ingestion_, pieces_of("/a", version, {5}));
  EXPECT_EQ(must(a_.work().record_discovered(replacing, std::vector{seen("/a", "v1")})).ignored, 1);
  EXPECT_EQ(file("/a").rows, 5);
  EXPECT_EQ(must(a_.work().record_discovered(replacing, std::vector{seen("/a", "v2", "v1")})).changed, 1);
}

// Prevents: a rebuilt ledger that takes a changed file for a new one, so that on_change is not asked; members and files without rows.
TEST_P(LedgerConformance, ANewRecordKnowsWhatTheHistoryHas) {
  for (const char* path : {"/a", "/b", "/c", "/d"}) {
    adopt(a_.work(), ingestion_, pieces_of(path, "v1", {1}));
    adopt(a_.work(), ingestion_, pieces_of(path, "v2", {4, 3}));
  }
  EXPECT_EQ(discover({seen("/a", "v3")}, OnChange::kIgnore).ignored, 1);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/a").version, "v3");
  EXPECT_EQ(file("/a").loaded_version, "v2");
  EXPECT_EQ(file("/a").rows, 7);
  EXPECT_EQ(discover({seen("/b", "v3")}, OnChange::kFail).added, 1);
  EXPECT_EQ(discover({seen("/c", "v1")}).ignored, 1);
  EXPECT_EQ(file("/c").loaded_version, "v1");
  EXPECT_EQ(file("/c").rows, 1);
  Seen old = seen("/d", "v3");
  old.skip_reason = "Baseline";
  EXPECT_EQ(discover({old, seen("/new", "v1")}).ignored, 1);
  EXPECT_EQ(file("/d").state, FileState::kSuccess);
  const ClaimedBatch batch = claim(a_);
  ASSERT_EQ(batch.files.size(), 2u);
  EXPECT_EQ(batch.files[0].loaded_version, "v2");
  EXPECT_EQ(batch.files[1].loaded_version, "");
}

// Prevents: a record of before that was never loaded (a run found the changed file, and rule M stopped it), while the table has another
// version: it is loaded on top of that.
TEST_P(LedgerConformance, AnUnloadedRecordLearnsFromTheHistory) {
  discover({seen("/a", "v3")});
  adopt(a_.work(), ingestion_, pieces_of("/a", "v2", {4}));
  ASSERT_EQ(known()[0].version, "");
  EXPECT_EQ(discover({seen("/a", "v3", "")}, OnChange::kIgnore).ignored, 1);
  EXPECT_EQ(file("/a").loaded_version, "v2");
  EXPECT_EQ(file("/a").rows, 4);
}

// Prevents: what was forgotten taken for loaded because the history still has its line.
TEST_P(LedgerConformance, WhatIsForgottenIsNoHistory) {
  adopt(a_.work(), ingestion_, pieces_of("/a", "v1", {1}));
  discover({seen("/a", "v1")});
  EXPECT_EQ(must(a_.work().forget(ingestion_, std::vector<std::string>{"/a"})), 1);
  EXPECT_EQ(discover({seen("/a", "v2")}, OnChange::kIgnore).added, 1);
  EXPECT_EQ(file("/a").loaded_version, "");
}

}  // namespace
}  // namespace sluice
