// Discovery, history and the operator's rules, for every ledger.
#include <atomic>
#include <thread>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

// Prevents: the merge reading another source's files, another order than bytes, or an old version.
TEST_P(LedgerConformance, KnownFilesComeInByteOrderPerSource) {
  discover({seen("/b", "v1"), seen("/a/é", "v1"), seen("/a/z", "v1"), seen("/B", "v1")});
  source_ = SourceId("other");
  discover({seen("/c", "v1")});
  source_ = SourceId("live");
  discover({seen("/b", "v2", "v1")});
  const auto path = [](const char* text) { return Field(&KnownFile::path, text); };
  EXPECT_THAT(known(), ElementsAre(path("/B"), path("/a/z"), path("/a/é"), AllOf(path("/b"), Field(&KnownFile::version, "v2"))));
}

// Prevents: a merge that sees files recorded while it runs, and compares them with a listing that is older.
TEST_P(LedgerConformance, KnownFilesSeeOneState) {
  discover_new({"/a", "/b"});
  const auto cursor = must(a_.work().known_files(ingestion_, source_));
  discover({seen("/a2", "v1"), seen("/b", "v2", "v1")});
  EXPECT_EQ(must(cursor->next())->path, "/a");
  const auto second = must(cursor->next());
  EXPECT_EQ(second->path, "/b");
  EXPECT_EQ(second->version, "v1");
  EXPECT_EQ(must(cursor->next()), std::nullopt);
}

// Prevents: a stale listing that resets a newer record.
TEST_P(LedgerConformance, RecordingComparesTheVersionThatTheMergeSaw) {
  discover_new({"/a"});
  EXPECT_EQ(discover({seen("/a", "v3", "v1")}).changed, 1);
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).lost_race, 1);
  EXPECT_EQ(discover({seen("/a", "v2")}).lost_race, 1);
  EXPECT_EQ(discover({seen("/gone", "v2", "v1")}).lost_race, 1);
  EXPECT_EQ(file("/a").version, "v3");
}

// Prevents: a loaded file whose new version is never loaded, or whose first load is forgotten.
TEST_P(LedgerConformance, AChangedFileIsDiscoveredAgain) {
  discover_new({"/a"});
  load();
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).changed, 1);
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_EQ(file("/a").loaded_version, "v1");
  const ClaimedBatch batch = claim(a_);
  EXPECT_EQ(batch.files[0].version, "v2");
  EXPECT_EQ(batch.files[0].loaded_version, "v1");
  EXPECT_EQ(batch.files[0].loaded_hash, "hash-v1");
  EXPECT_EQ(batch.files[0].attempts, 1);
}

// Prevents: on_change: ignore loading the change after all, or asking about it in every run.
TEST_P(LedgerConformance, IgnoredChangesKeepTheFileLoaded) {
  discover_new({"/a"});
  load();
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}, OnChange::kIgnore).ignored, 1);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/a").loaded_version, "v1");
  EXPECT_EQ(known()[0].version, "v2");
}

// Prevents: on_change: fail losing the loaded state, or the refusal leaving no trace.
TEST_P(LedgerConformance, ARefusedChangeStaysLoadedWithAnAttempt) {
  discover_new({"/a"});
  load();
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}, OnChange::kFail).changed, 1);
  load(FileOutcome::kRefused);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/a").loaded_version, "v1");
  EXPECT_EQ(file("/a").version, "v2");
  EXPECT_EQ(file("/a").rows, 5);
  EXPECT_THAT(must(a_.handle->history().attempts(ingestion_, "/a")), ElementsAre(Field(&FileAttempt::error_type, "Changed")));
  EXPECT_EQ(run_record().metrics.files_failed, 1);
}

// Prevents: a touched file loaded twice, or its new version asked about for ever.
TEST_P(LedgerConformance, ATouchedFileIsUnchanged) {
  discover_new({"/a"});
  load();
  discover({seen("/a", "v2", "v1")});
  load(FileOutcome::kUnchanged);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/a").loaded_version, "v2");
  EXPECT_EQ(file("/a").rows, 5);
  EXPECT_EQ(run_record().metrics.records_written, 5);
}

// Prevents: v1 loaded, v2 loaded, v1 back: v1 loaded a second time.
TEST_P(LedgerConformance, AVersionThatWasLoadedBeforeIsNotLoadedAgain) {
  discover_new({"/a"});
  load();
  discover({seen("/a", "v2", "v1")});
  load();
  EXPECT_EQ(discover({seen("/a", "v1", "v2")}).ignored, 1);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(try_claim(a_), std::nullopt);
  EXPECT_EQ(discover({seen("/a", "v3", "v1")}).changed, 1);
}

// Prevents: a change that was waiting (or failed) loaded although the old, loaded version is back.
TEST_P(LedgerConformance, ALoadedVersionThatComesBackEndsAWaitingChange) {
  discover_new({"/a", "/b"});
  load();
  discover({seen("/a", "v2", "v1"), seen("/b", "v2", "v1")});
  const ClaimedBatch batch = claim(a_);
  must(a_.work().prepare(batch.lease, record_of(batch),
                         std::vector{result_of(batch.files[0], FileOutcome::kReleased), result_of(batch.files[1], FileOutcome::kFailed)}));
  must(a_.work().confirm(batch.lease, published(2)));
  EXPECT_EQ(discover({seen("/a", "v1", "v2"), seen("/b", "v1", "v2")}).ignored, 2);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/b").state, FileState::kSuccess);
  EXPECT_EQ(file("/b").error_type, "");
}

// Prevents: a file that waits for approval claimed all the same, by this run or a later one; or never again, once it was approved.
TEST_P(LedgerConformance, WhatWaitsForApprovalIsClaimedOnceItIsReleased) {
  discover_new({"/a", "/b"});
  const ClaimedBatch batch = claim(a_);
  FileResult waits = result_of(batch.files[0], FileOutcome::kReleased);
  waits.error = Error{.message = "add column city string", .type = std::string(error_type::kNeedsApproval)};
  must(a_.work().prepare(batch.lease, record_of(batch), std::vector{waits, result_of(batch.files[1], FileOutcome::kLoaded)}));
  must(a_.work().confirm(batch.lease, published(2)));
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_EQ(file("/a").attempts, 0);
  EXPECT_EQ(must(a_.work().outstanding(ingestion_, RunId("another"), 3)).claimable, 0);
  EXPECT_EQ(try_claim(a_), std::nullopt);
  const auto waiting = must(a_.handle->history().waiting_for_approval(ingestion_));
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].changes, "add column city string");
  EXPECT_EQ(waiting[0].files, 1);
  EXPECT_EQ(waiting[0].first_batch, batch.lease.batch);

  EXPECT_EQ(must(a_.work().release_waiting(ingestion_)), 1);
  EXPECT_THAT(must(a_.handle->history().waiting_for_approval(ingestion_)), IsEmpty());
  EXPECT_EQ(claim(a_).files.size(), 1U);
}

// Prevents: rows of a withdrawn batch counted as loaded, so that the version is never loaded at all.
TEST_P(LedgerConformance, OnlyCommittedBatchesMakeHistory) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  prepare(a_, batch);
  must(a_.work().start_withdraw(batch.lease, "test"));
  must(a_.work().finish_withdraw(batch.lease, "test", false));
  discover({seen("/a", "v2", "v1")});
  EXPECT_EQ(discover({seen("/a", "v1", "v2")}).changed, 1);
  EXPECT_THAT(must(a_.handle->history().loads(ingestion_, "/a")), IsEmpty());
}

// Prevents: a file taken out of a live batch by discovery: two batches would load it.
TEST_P(LedgerConformance, AFileInALiveBatchIsLeftAlone) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).changed, 0);
  EXPECT_EQ(file("/a").state, FileState::kProcessing);
  EXPECT_EQ(file("/a").version, "v1");
  prepare(a_, batch);
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).changed, 1);
}

// Prevents: a changed file that failed before waiting for ever because its attempts are used up.
TEST_P(LedgerConformance, ANewVersionBeginsWithNoAttempts) {
  discover_new({"/a"});
  load(FileOutcome::kFailed);
  discover({seen("/a", "v2", "v1")});
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_EQ(file("/a").attempts, 0);
  EXPECT_EQ(file("/a").error_message, "");
}

// Prevents: files decided against being loaded, or vanishing from the counts.
TEST_P(LedgerConformance, SkippedFilesAreRecordedWithTheirReason) {
  Seen old = seen("/a", "v1");
  old.skip_reason = error_type::kBaseline;
  old.skip_message = "older than start_from";
  EXPECT_EQ(discover({old}).skipped, 1);
  EXPECT_EQ(file("/a").state, FileState::kSkipped);
  EXPECT_EQ(file("/a").error_type, "Baseline");
  EXPECT_EQ(try_claim(a_), std::nullopt);
  EXPECT_EQ(must(a_.handle->history().file_counts(ingestion_)).skipped, 1);
  EXPECT_EQ(discover({seen("/a", "v2", "v1")}).changed, 1);
}

// Prevents: a share that was not mounted for a moment: its files SKIPPED "Vanished" and, being back unchanged, never loaded.
TEST_P(LedgerConformance, AVanishedFileThatComesBackAsItWasIsSeenAsChanged) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  FileResult vanished = result_of(batch.files[0], FileOutcome::kSkipped);
  vanished.error = Error{.message = "gone", .type = std::string(error_type::kVanished)};
  must(a_.work().prepare(batch.lease, record_of(batch), std::vector{vanished}));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(file("/a").state, FileState::kSkipped);
  ASSERT_NE(known()[0].version, "v1");
  EXPECT_EQ(discover({seen("/a", "v1", known()[0].version)}).changed, 1);
}

// Prevents: paths with quotes, newlines or percent signs mangled on their way through the ledger.
TEST_P(LedgerConformance, KeepsAwkwardPathsAsTheyAre) {
  const std::string path = "/a b/'\"%25#\n\t\\é😀?*.json";
  discover_new({path});
  EXPECT_EQ(known()[0].path, path);
  EXPECT_EQ(claim(a_).files[0].path, path);
}

// Prevents: `sluice retry` that does nothing, or loads files again that were loaded.
TEST_P(LedgerConformance, RetryFreesFailedFilesOnly) {
  discover_new({"/a"});
  load();
  discover_new({"/b", "/c"});
  load(FileOutcome::kFailed);
  EXPECT_EQ(must(a_.work().retry(ingestion_, std::vector<std::string>{"/a", "/b"})), 1);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
  EXPECT_EQ(file("/b").state, FileState::kDiscovered);
  EXPECT_EQ(file("/b").attempts, 0);
  EXPECT_EQ(must(a_.work().retry(ingestion_, {})), 1);
  EXPECT_EQ(file("/c").state, FileState::kDiscovered);
}

// Prevents: forget that leaves the history behind, so that the file can never be loaded again.
TEST_P(LedgerConformance, AForgottenFileLoadsAgain) {
  discover_new({"/a", "/b"});
  load();
  EXPECT_EQ(must(a_.work().forget(ingestion_, std::vector<std::string>{"/a", "/none"})), 1);
  EXPECT_EQ(find("/a"), std::nullopt);
  EXPECT_EQ(file("/b").state, FileState::kSuccess);
  EXPECT_EQ(discover({seen("/a", "v1")}).added, 1);
  EXPECT_EQ(claim(a_).files.size(), 1u);
}

// Prevents: forget or retry during a prepared batch: its confirm would bring the file back, or its rows would be doubled (rule F).
TEST_P(LedgerConformance, RuleF_LiveBatchesKeepTheirFiles) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  prepare(a_, batch);
  const std::vector<std::string> paths = {"/a"};
  for (const auto& refused :
       {a_.work().forget(ingestion_, paths), a_.work().retry(ingestion_, paths), a_.work().forget_all(ingestion_, {}, 0)}) {
    EXPECT_THAT(refused, FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(refused.error().message, HasSubstr(batch.lease.batch.text));
  }
  EXPECT_THAT(a_.handle->registry().delete_ingestion(ingestion_), FailsWith(ErrorCode::kConflict));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(must(a_.work().forget(ingestion_, paths)), 1);
}

// Prevents: after forget --all rule M still stopping on the old batches, or a batch number used twice.
TEST_P(LedgerConformance, ForgetAllDisownsEveryBatch) {
  discover_new({"/a"});
  load();
  const BatchId foreign(new_uuid());
  EXPECT_EQ(must(a_.work().forget_all(ingestion_, std::vector{foreign}, 41)), 1);
  EXPECT_EQ(must(a_.work().last_committed(ingestion_, kTableUuid)), std::nullopt);
  EXPECT_TRUE(must(a_.work().find_batch(foreign)).value().disowned);
  EXPECT_EQ(must(a_.work().highest_seq(ingestion_)), 41);
  EXPECT_EQ(discover({seen("/a", "v1")}).added, 1);
  EXPECT_EQ(prepare(a_, claim(a_)), 42);
}

// Prevents: `sluice files` and the REST pages that leave files out or show them twice, or a total that lies.
TEST_P(LedgerConformance, PagesShowEveryFileOnce) {
  discover_new({"/a", "/b", "/c:1", "/d", "/e"});
  load();
  discover_new({"/f"});
  for (const bool by_processed_at : {false, true}) {
    std::vector<std::string> paths;
    FilesQuery query{.ingestion = ingestion_, .state = FileState::kSuccess, .by_processed_at = by_processed_at, .limit = 2};
    do {
      const FilePage page = must(a_.handle->history().files(query));
      EXPECT_EQ(page.total, 5);
      for (const FileRecord& record : page.files) paths.push_back(record.path);
      query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    EXPECT_THAT(paths, ElementsAre("/a", "/b", "/c:1", "/d", "/e"));
  }
  EXPECT_THAT(a_.handle->history().files({.ingestion = ingestion_, .cursor = "x"}), FailsWith(ErrorCode::kInvalidInput));
}

// Prevents: undo and audit pointing at rows of another file.
TEST_P(LedgerConformance, LoadsSayWhereRowsWent) {
  discover_new({"/a"});
  load();
  const auto loads = must(a_.handle->history().loads(ingestion_, "/a"));
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].range, (RowRange{"/w/t/data/1.parquet", 0, 5}));
  EXPECT_EQ(loads[0].snapshot_id, 77);
}

// Prevents: a definition stored twice under one label, an id that changes with every load, secrets in the file.
TEST_P(LedgerConformance, AnIngestionKeepsItsIdWhileItsDefinitionChanges) {
  Ingestion changed;
  changed.name = "orders";
  changed.sources = {{.id = SourceId("live"), .paths = {"/in"}, .store = {{"s3.secret-access-key", "hush"}}}};
  changed.table = {.catalog = "local", .ns = {"db"}, .name = "other"};
  Registry& registry = a_.handle->registry();
  EXPECT_EQ(must(registry.put_ingestion(changed)).id, ingestion_);
  const auto found = must(registry.find_ingestion("default", "orders"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->table.name, "other");
  EXPECT_THAT(found->sources[0].store, IsEmpty());
  EXPECT_EQ(must(registry.find_ingestion("default", ingestion_.text))->id, ingestion_);
  EXPECT_EQ(must(registry.find_ingestion("acme", "orders")), std::nullopt);

  changed.managed_by = "api";
  const IngestionId made = must(registry.put_ingestion(changed)).id;
  EXPECT_NE(made, ingestion_);
  EXPECT_EQ(must(registry.find_ingestion("default", "orders"))->id, ingestion_);
  EXPECT_EQ(must(registry.ingestions("default")).size(), 2u);
}

// Prevents: a deleted ingestion whose target is lost (rule M needs it), or whose name cannot be used again.
TEST_P(LedgerConformance, ADeletedIngestionLeavesATombstone) {
  Registry& registry = a_.handle->registry();
  must(registry.finish_run(run_, RunState::kCompleted, ""));
  must(registry.delete_ingestion(ingestion_));
  EXPECT_EQ(must(registry.find_ingestion("default", "orders")), std::nullopt);
  const auto tombstone = must(registry.find_ingestion("default", ingestion_.text));
  ASSERT_TRUE(tombstone.has_value());
  EXPECT_EQ(tombstone->status, "DELETED");
  EXPECT_EQ(tombstone->table.name, "orders");
  Ingestion again;
  again.name = "orders";
  EXPECT_NE(must(registry.put_ingestion(again)).id, ingestion_);
  EXPECT_THAT(registry.delete_ingestion(IngestionId("none")), FailsWith(ErrorCode::kNotFound));
}

// Prevents: run pages out of order, a finished run finished again as something else, counts that do not add.
TEST_P(LedgerConformance, RunsCountAndEndOnce) {
  Registry& registry = a_.handle->registry();
  must(registry.add_to_run(run_, {.files_unchanged = 3}, {"add column city string"}));
  must(registry.add_to_run(run_, {.files_unchanged = 4}, {"add column \"x\""}));
  const RunRecord done = must(registry.finish_run(run_, RunState::kCompleted, ""));
  EXPECT_EQ(done.metrics.files_unchanged, 7);
  EXPECT_THAT(done.schema_changes, ElementsAre("add column city string", "add column \"x\""));
  EXPECT_TRUE(done.completed_at.has_value());
  EXPECT_EQ(must(registry.finish_run(run_, RunState::kCompleted, "")).state, RunState::kCompleted);
  EXPECT_THAT(registry.finish_run(run_, RunState::kFailed, "x"), FailsWith(ErrorCode::kConflict));
  const RunId second = start_run(a_);
  const auto runs = must(a_.handle->history().runs({ingestion_, 10}));
  EXPECT_THAT(runs, ElementsAre(Field(&RunRecord::id, second), Field(&RunRecord::id, run_)));
  EXPECT_EQ(must(a_.handle->history().run_count(ingestion_)), 2);
}

// Prevents: a run of a killed process shown as running for ever; a living one closed under it.
TEST_P(LedgerConformance, RunsOfDeadWorkersAreClosed) {
  Worker b = join("b");
  const RunId lost = start_run(b);
  EXPECT_EQ(must(a_.handle->registry().close_dead_runs(ingestion_)), 0);
  b.die();
  EXPECT_EQ(must(a_.handle->registry().close_dead_runs(ingestion_)), 1);
  EXPECT_EQ(must(a_.handle->history().run(lost.text))->state, RunState::kFailed);
  EXPECT_EQ(run_record().state, RunState::kRunning);
}

// Prevents: a rebuilt ledger whose files are loaded again, whose rows are counted twice when it is rebuilt twice, or whose numbers collide
// with the table's.
TEST_P(LedgerConformance, AdoptedVersionsCountAsLoaded) {
  const BatchId batch(new_uuid());
  const std::vector<AdoptedFile> pieces = {{"/a", "v1", batch, RowRange{"/w/1.parquet", 0, 5}},
                                           {"/a", "v1", batch, RowRange{"/w/2.parquet", 3, 2}},
                                           {"/b", "v9", batch, std::nullopt}};
  for (int round = 0; round < 2; ++round) must(a_.work().adopt(ingestion_, std::vector{batch}, pieces, 7));
  EXPECT_EQ(discover({seen("/a", "v1"), seen("/b", "v9")}).ignored, 2);
  EXPECT_EQ(discover({seen("/c", "v1")}).added, 1);
  EXPECT_EQ(must(a_.work().count_adopted(ingestion_)), 2);
  const auto page = must(a_.handle->history().files({.ingestion = ingestion_, .path = "/a"}));
  ASSERT_EQ(page.files.size(), 1u);
  EXPECT_EQ(page.files[0].rows, 7);
  EXPECT_EQ(page.files[0].loaded_version, "v1");
  const auto record = must(a_.work().find_batch(batch));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->state, BatchState::kCommitted);
  EXPECT_TRUE(record->disowned);
  EXPECT_EQ(must(a_.work().highest_seq(ingestion_)), 7);
}

// Prevents: a batch that an older copy of the ledger has unfinished, though the table holds it: rule M stops every run because of it.
TEST_P(LedgerConformance, AdoptingABatchOfADeadWorkerEndsIt) {
  discover_new({"/a"});
  Worker b = join("b");
  const ClaimedBatch batch = claim(b);
  const std::vector<AdoptedFile> pieces = {{"/a", "v1", batch.lease.batch, RowRange{"/w/1.parquet", 0, 5}}};
  EXPECT_THAT(a_.work().adopt(ingestion_, std::vector{batch.lease.batch}, pieces, 0), FailsWith(ErrorCode::kConflict));
  b.die();
  must(a_.work().adopt(ingestion_, std::vector{batch.lease.batch}, pieces, 0));
  EXPECT_FALSE(must(a_.work().take_over(ingestion_, a_.id, kLease)).has_value());
  EXPECT_EQ(must(a_.handle->history().file_counts(ingestion_)).success, 1);
  EXPECT_FALSE(try_claim(a_).has_value());
}

// Prevents: a walk that was given up half-way freezing what later questions see, or a question beside a walk waiting for its end.
TEST_P(LedgerConformance, QuestionsBesideAWalkAndAfterOneSeeWhatIsThere) {
  discover_new({"/a", "/b"});
  {
    const auto walk = must(a_.work().known_files(ingestion_, source_));
    EXPECT_EQ(must(walk->next())->path, "/a");
    discover_new({"/c"});
    EXPECT_TRUE(find("/c").has_value());
    EXPECT_EQ(must(walk->next())->path, "/b");
  }
  discover_new({"/d"});
  EXPECT_TRUE(find("/d").has_value());
  EXPECT_EQ(known().size(), 4u);
}

// Prevents: connections mixed up between threads that ask one ledger at the same time.
TEST_P(LedgerConformance, ThreadsAskOneLedgerAtTheSameTime) {
  discover_new({"/a", "/b", "/c"});
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) right += known().size() == 3 && find("/b").has_value();
      });
    }
  }
  EXPECT_EQ(right, 40);
}

}  // namespace
}  // namespace sluice
