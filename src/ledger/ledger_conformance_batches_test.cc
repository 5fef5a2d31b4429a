// Batches from claim to their end, and takeover, for every ledger.
#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> paths_of(const ClaimedBatch& batch) {
  std::vector<std::string> paths;
  for (const ClaimedFile& file : batch.files) paths.push_back(file.path);
  return paths;
}

// Prevents: batches above their limits, or a file larger than the limit that is never claimed.
TEST_P(LedgerConformance, ClaimKeepsItsLimitsButTakesAtLeastOne) {
  discover_new({"/d", "/c", "/b", "/a"});
  ClaimRequest by_count = request(a_, run_);
  by_count.limits.files_max = 2;
  EXPECT_THAT(paths_of(must(a_.work().claim(by_count)).value()), ElementsAre("/a", "/b"));
  ClaimRequest by_bytes = request(a_, run_);
  by_bytes.limits.bytes_max = 1;
  EXPECT_THAT(paths_of(must(a_.work().claim(by_bytes)).value()), ElementsAre("/c"));
}

// Prevents: run.order: time ignored.
TEST_P(LedgerConformance, ClaimOrdersByTimeWhenAsked) {
  Seen late = seen("/a", "v1");
  late.file.modified_at = Timestamp{1'600'000'000'000'001};
  discover({late, seen("/b", "v1")});
  ClaimRequest by_time = request(a_, run_);
  by_time.order = "time";
  by_time.limits.files_max = 1;
  EXPECT_THAT(paths_of(must(a_.work().claim(by_time)).value()), ElementsAre("/b"));
}

// Prevents: `sluice retry FILE` loading others as well.
TEST_P(LedgerConformance, ClaimTakesOnlyTheNamedFiles) {
  discover_new({"/a", "/b"});
  ClaimRequest one = request(a_, run_);
  one.only = {file("/b").id};
  EXPECT_THAT(paths_of(must(a_.work().claim(one)).value()), ElementsAre("/b"));
  one.batch = BatchId(new_uuid());
  EXPECT_EQ(must(a_.work().claim(one)), std::nullopt);
}

// Prevents: after a lost answer (rule U) a second batch beside the first, whose files then wait for their lease.
TEST_P(LedgerConformance, ClaimingAgainWithTheSameIdAnswersTheSame) {
  discover_new({"/a", "/b"});
  ClaimRequest again = request(a_, run_);
  again.limits.files_max = 1;
  const ClaimedBatch first = must(a_.work().claim(again)).value();
  const ClaimedBatch second = must(a_.work().claim(again)).value();
  EXPECT_EQ(paths_of(second), paths_of(first));
  EXPECT_EQ(second.files[0].attempts, 1);
  EXPECT_EQ(second.lease.epoch, first.lease.epoch);
  EXPECT_EQ(second.lease.until, first.lease.until);
  prepare(a_, first);
  EXPECT_THAT(a_.work().claim(again), FailsWith(ErrorCode::kConflict));
}

// Prevents: a broken file tried over and over in one run, never again by later ones, or more often than attempts_max.
TEST_P(LedgerConformance, FailedFilesAreTriedOncePerRunUpToTheLimit) {
  discover_new({"/a"});
  load(FileOutcome::kFailed);
  EXPECT_EQ(file("/a").state, FileState::kFailed);
  EXPECT_EQ(try_claim(a_), std::nullopt);
  EXPECT_EQ(must(a_.work().outstanding(ingestion_, run_, 3)).claimable, 0);
  for (int attempt = 2; attempt <= 3; ++attempt) {
    run_ = start_run(a_);
    EXPECT_EQ(must(a_.work().outstanding(ingestion_, run_, 3)).claimable, 1);
    load(FileOutcome::kFailed);
    EXPECT_EQ(file("/a").attempts, attempt);
  }
  run_ = start_run(a_);
  EXPECT_EQ(try_claim(a_), std::nullopt);
  EXPECT_THAT(must(a_.handle->history().attempts(ingestion_, "/a")), SizeIs(3));
}

// Prevents: a confirm that does not do what the results say: the state of every outcome, beside each other in one batch.
TEST_P(LedgerConformance, ConfirmGivesEachFileItsOutcome) {
  discover_new({"/empty", "/failed", "/loaded", "/released", "/skipped"});
  const ClaimedBatch batch = claim(a_);
  std::vector<FileResult> results = {result_of(batch.files[0], FileOutcome::kLoaded), result_of(batch.files[1], FileOutcome::kFailed),
                                     result_of(batch.files[2], FileOutcome::kLoaded), result_of(batch.files[3], FileOutcome::kReleased),
                                     result_of(batch.files[4], FileOutcome::kSkipped)};
  results[0].rows = 0;
  results[0].ranges.clear();
  results[2].rows_rescued = 2;
  results[2].rows_rejected = 1;
  must(a_.work().prepare(batch.lease, record_of(batch), results));
  EXPECT_EQ(file("/loaded").state, FileState::kProcessing);
  must(a_.work().confirm(batch.lease, published()));

  EXPECT_EQ(file("/empty").state, FileState::kSuccess);
  EXPECT_EQ(file("/empty").rows, 0);
  EXPECT_THAT(must(a_.handle->history().loads(ingestion_, "/empty")), SizeIs(1));
  EXPECT_EQ(file("/loaded").state, FileState::kSuccess);
  EXPECT_EQ(file("/loaded").rows, 5);
  EXPECT_EQ(file("/loaded").bytes_read, 10);
  EXPECT_EQ(file("/loaded").duration_ms, 3);
  EXPECT_EQ(file("/loaded").format, "json");
  EXPECT_EQ(file("/loaded").loaded_version, "v1");
  EXPECT_EQ(file("/loaded").snapshot_id, 77);
  EXPECT_TRUE(file("/loaded").processed_at.has_value());
  EXPECT_EQ(file("/failed").state, FileState::kFailed);
  EXPECT_EQ(file("/failed").error_type, "ParseError");
  EXPECT_EQ(file("/failed").error_message, "line 2: broken");
  EXPECT_EQ(file("/failed").error_line, 2);
  EXPECT_EQ(file("/failed").error_byte, 17);
  EXPECT_EQ(file("/failed").loaded_version, "");
  EXPECT_EQ(file("/skipped").state, FileState::kSkipped);
  EXPECT_EQ(file("/skipped").error_type, "SchemaMismatch");
  EXPECT_EQ(file("/released").state, FileState::kDiscovered);
  EXPECT_EQ(file("/released").attempts, 0);

  const RunRecord run = run_record();
  EXPECT_EQ(run.metrics, (RunMetrics{.files_processed = 2,
                                     .files_failed = 1,
                                     .files_skipped = 1,
                                     .records_written = 5,
                                     .rows_rescued = 2,
                                     .rows_rejected = 1,
                                     .bytes_processed = 20}));
  EXPECT_THAT(run.snapshots, ElementsAre(77));
  const FileCounts counts = must(a_.handle->history().file_counts(ingestion_));
  EXPECT_EQ(counts.success, 2);
  EXPECT_EQ(counts.pending, 1);
  EXPECT_EQ(counts.discovered(), 5);
}

// Prevents: after a lost answer the counts of a run doubled by the second confirm.
TEST_P(LedgerConformance, ConfirmingAgainChangesNothing) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  prepare(a_, batch);
  must(a_.work().confirm(batch.lease, published()));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(run_record().metrics.files_processed, 1);
  EXPECT_THAT(run_record().snapshots, SizeIs(1));
  EXPECT_EQ(must(a_.work().standing(batch.lease)).state, BatchState::kCommitted);
}

// Prevents: a batch confirmed that was never prepared, staged again after prepare, or given up without the fence (rule W).
TEST_P(LedgerConformance, BatchesMoveOnlyAsTheProtocolSays) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  EXPECT_THAT(a_.work().confirm(batch.lease, published()), FailsWith(ErrorCode::kConflict));
  EXPECT_THAT(a_.work().start_withdraw(batch.lease, "x"), FailsWith(ErrorCode::kConflict));
  prepare(a_, batch);
  EXPECT_THAT(a_.work().pin_target(batch.lease, pin()), FailsWith(ErrorCode::kConflict));
  EXPECT_THAT(a_.work().finish_withdraw(batch.lease, "x", false), FailsWith(ErrorCode::kConflict));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_THAT(a_.work().start_withdraw(batch.lease, "x"), FailsWith(ErrorCode::kConflict));
  EXPECT_THAT(a_.work().renew(batch.lease, kLease), FailsWith(ErrorCode::kConflict));
}

// Prevents: a prepared record that its successor cannot publish from, numbers used twice, a prepare that is lost when asked again.
TEST_P(LedgerConformance, PrepareNumbersBatchesAndKeepsTheRecord) {
  discover_new({"/a"});
  const ClaimedBatch first = claim(a_);
  must(a_.work().pin_target(first.lease, pin()));
  EXPECT_EQ(must(a_.work().find_batch(first.lease.batch))->target, pin());
  EXPECT_EQ(prepare(a_, first), 1);
  EXPECT_EQ(prepare(a_, first), 1);
  const BatchRecord record = must(a_.work().find_batch(first.lease.batch)).value();
  EXPECT_EQ(record.state, BatchState::kPrepared);
  EXPECT_EQ(record.seq, 1);
  EXPECT_EQ(record.prepared->seq, 1);
  EXPECT_EQ(record.prepared->objects, record_of(first).objects);
  discover_new({"/b"});
  EXPECT_EQ(prepare(a_, claim(a_)), 2);
  EXPECT_EQ(must(a_.work().highest_seq(ingestion_)), 2);
}

// Prevents: a batch prepared without a result for each of its files: they would stay PROCESSING for ever.
TEST_P(LedgerConformance, PrepareWantsAResultForEveryFile) {
  discover_new({"/a", "/b"});
  const ClaimedBatch batch = claim(a_);
  const std::vector one = {result_of(batch.files[0], FileOutcome::kLoaded)};
  EXPECT_THAT(a_.work().prepare(batch.lease, record_of(batch), one), FailsWith(ErrorCode::kInvalidInput));
  const std::vector twice = {one[0], one[0]};
  EXPECT_THAT(a_.work().prepare(batch.lease, record_of(batch), twice), FailsWith(ErrorCode::kInvalidInput));
  EXPECT_EQ(state_of(batch.lease.batch), BatchState::kStaging);
  prepare(a_, batch);
}

// Prevents: a withdrawn batch whose files stay taken, or whose attempt counts although it was only a shutdown.
TEST_P(LedgerConformance, WithdrawnFilesAreFreeAgain) {
  discover_new({"/a"});
  const ClaimedBatch gentle = claim(a_);
  must(a_.work().finish_withdraw(gentle.lease, "shutdown", true));
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_EQ(file("/a").attempts, 0);
  const ClaimedBatch harsh = claim(a_);
  prepare(a_, harsh);
  must(a_.work().start_withdraw(harsh.lease, "objects are missing"));
  EXPECT_EQ(must(a_.work().standing(harsh.lease)).state, BatchState::kWithdrawing);
  EXPECT_EQ(file("/a").state, FileState::kProcessing);
  must(a_.work().finish_withdraw(harsh.lease, "objects are missing", false));
  must(a_.work().finish_withdraw(harsh.lease, "objects are missing", false));
  EXPECT_EQ(file("/a").attempts, 1);
  EXPECT_EQ(must(a_.work().find_batch(harsh.lease.batch))->reason, "objects are missing");
  EXPECT_THAT(a_.work().confirm(harsh.lease, published()), FailsWith(ErrorCode::kConflict));
  EXPECT_EQ(run_record().metrics, RunMetrics{});
}

// Prevents: rule W: after the fence the batch is found in the table, and there is no way to confirm it.
TEST_P(LedgerConformance, RuleW_AWithdrawingBatchFoundPresentIsConfirmed) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  prepare(a_, batch);
  must(a_.work().start_withdraw(batch.lease, "doubt"));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(state_of(batch.lease.batch), BatchState::kCommitted);
  EXPECT_EQ(file("/a").state, FileState::kSuccess);
}

// Prevents: waiting for the lease of a worker that is known to be dead; or taking the batch of one that lives.
TEST_P(LedgerConformance, RuleR_ADeadWorkersBatchIsTakenOverAtOnce) {
  discover_new({"/a"});
  Worker b = join("b");
  const ClaimedBatch batch = claim(b);
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease)), std::nullopt);
  b.die();
  const auto taken = must(a_.work().take_over(ingestion_, a_.id, kLease));
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->record.state, BatchState::kStaging);
  EXPECT_EQ(taken->record.holder, b.id);
  EXPECT_EQ(taken->batch.lease.epoch, batch.lease.epoch + 1);
  EXPECT_EQ(taken->batch.lease.holder, a_.id);
  EXPECT_EQ(paths_of(taken->batch), paths_of(batch));
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease)), std::nullopt);
}

// Prevents: a worker that hangs holding its batch for ever.
TEST_P(LedgerConformance, RuleR_AStalledWorkersBatchIsTakenOverWhenItsLeaseRunsOut) {
  discover_new({"/a"});
  Worker b = join("b");
  const ClaimedBatch batch = claim(b);
  world_->clock().advance(kLease - std::chrono::seconds(1));
  const Lease longer = must(b.work().renew(batch.lease, kLease));
  EXPECT_EQ(longer.until, world_->clock().now() + kLease);
  world_->clock().advance(kLease - std::chrono::seconds(1));
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease)), std::nullopt);
  world_->clock().advance(std::chrono::seconds(1));
  EXPECT_TRUE(must(a_.work().take_over(ingestion_, a_.id, kLease)).has_value());
}

// Prevents: prepared and withdrawing batches of dead workers left lying.
TEST_P(LedgerConformance, RuleR_PreparedAndWithdrawingBatchesAreTakenOverToo) {
  Worker b = join("b");
  discover_new({"/a"});
  prepare(b, claim(b));
  discover_new({"/b"});
  const ClaimedBatch second = claim(b);
  prepare(b, second);
  must(b.work().start_withdraw(second.lease, "x"));
  b.die();
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease))->record.state, BatchState::kPrepared);
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease))->record.state, BatchState::kWithdrawing);
  EXPECT_THAT(must(a_.work().live_batches(ingestion_)), SizeIs(2));
}

// Prevents: a stalled worker that wakes after takeover writing for a batch that is no longer its own, at every step.
TEST_P(LedgerConformance, AStalledWorkerIsRefusedAtEveryStep) {
  discover_new({"/a"});
  Worker b = join("b");
  const ClaimedBatch batch = claim(b);
  world_->clock().advance(kLease);
  const ClaimedBatch mine = must(a_.work().take_over(ingestion_, a_.id, kLease))->batch;
  const auto refuses_all = [&] {
    EXPECT_THAT(b.work().renew(batch.lease, kLease), FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(b.work().pin_target(batch.lease, pin()), FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(b.work().prepare(batch.lease, record_of(batch), results_of(batch, FileOutcome::kLoaded)), FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(b.work().confirm(batch.lease, published()), FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(b.work().start_withdraw(batch.lease, "x"), FailsWith(ErrorCode::kConflict));
    EXPECT_THAT(b.work().finish_withdraw(batch.lease, "x", false), FailsWith(ErrorCode::kConflict));
    EXPECT_FALSE(must(b.work().standing(batch.lease)).ours);
  };
  refuses_all();
  prepare(a_, mine);
  refuses_all();
  must(a_.work().start_withdraw(mine.lease, "x"));
  refuses_all();
  EXPECT_TRUE(must(a_.work().standing(mine.lease)).ours);
  must(a_.work().finish_withdraw(mine.lease, "x", false));
  EXPECT_EQ(state_of(batch.lease.batch), BatchState::kWithdrawn);
}

// Prevents: rule M unable to tell a batch that the ledger lost from one that it withdrew: an unknown batch is nobody's.
TEST_P(LedgerConformance, AnUnknownBatchIsNotOurs) {
  const Lease lost{.batch = BatchId("lost"), .ingestion = ingestion_, .epoch = 1, .holder = a_.id};
  EXPECT_FALSE(must(a_.work().standing(lost)).ours);
  EXPECT_THAT(a_.work().confirm(lost, published()), FailsWith(ErrorCode::kConflict));
  EXPECT_EQ(must(a_.work().find_batch(lost.batch)), std::nullopt);
}

// Prevents: a file that kills every worker taking its neighbours with it, for ever: it is tried alone, then FAILED "WorkerDied"; and a
// failure that only a dead run counted, so that no exit code tells of it.
TEST_P(LedgerConformance, AFileThatKillsItsWorkersIsTriedAloneThenFailed) {
  discover_new({"/a", "/poison", "/z"});
  const std::vector<std::vector<std::string>> claims = {{"/a", "/poison", "/z"}, {"/poison"}, {"/poison"}};
  for (const std::vector<std::string>& expected : claims) {
    Worker victim = join("victim" + new_uuid());
    const ClaimedBatch batch = must(victim.work().claim(request(victim, start_run(victim)))).value();
    EXPECT_EQ(paths_of(batch), expected);
    victim.work().note_in_hand(batch.lease, 0, "/a");
    victim.work().note_in_hand(batch.lease, 1, "/poison");
    victim.work().note_in_hand(batch.lease, 0, "");
    victim.die();
    const auto taken = must(a_.work().take_over(ingestion_, a_.id, kLease));
    ASSERT_TRUE(taken.has_value());
    ASSERT_EQ(taken->batch.lease.batch, batch.lease.batch);
    must(a_.work().finish_withdraw(taken->batch.lease, "its worker died", false));
    // The healthy ones go first, without it.
    if (expected.size() == 3) {
      EXPECT_THAT(paths_of(claim(a_)), ElementsAre("/a", "/z"));
    }
  }
  EXPECT_EQ(file("/poison").state, FileState::kFailed);
  EXPECT_EQ(file("/poison").error_type, "WorkerDied");
  EXPECT_THAT(must(a_.handle->history().attempts(ingestion_, "/poison")), ElementsAre(Field(&FileAttempt::error_type, "WorkerDied")));
  EXPECT_EQ(file("/a").state, FileState::kProcessing);
  EXPECT_EQ(run_record().metrics.files_failed, 1);
  EXPECT_EQ(must(a_.work().retry(ingestion_, std::vector<std::string>{"/poison"})), 1);
  EXPECT_EQ(claim(a_).files[0].worker_deaths, 1);
}

// Prevents: a file blamed for a worker that only stalled.
TEST_P(LedgerConformance, AStalledWorkersFilesAreNotBlamed) {
  discover_new({"/a"});
  Worker b = join("b");
  const ClaimedBatch batch = claim(b);
  b.work().note_in_hand(batch.lease, 0, "/a");
  world_->clock().advance(kLease);
  EXPECT_EQ(must(a_.work().take_over(ingestion_, a_.id, kLease))->batch.files[0].worker_deaths, 0);
}

// Prevents: objects of a withdrawn batch never deleted, or swept for ever; a stalled worker's late upload left lying.
TEST_P(LedgerConformance, WithdrawnBatchesAreSweptUntilNobodyCanWriteAnyMore) {
  discover_new({"/a"});
  const ClaimedBatch without_target = claim(a_);
  must(a_.work().finish_withdraw(without_target.lease, "x", true));
  const ClaimedBatch batch = claim(a_);
  must(a_.work().pin_target(batch.lease, pin()));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), IsEmpty());
  must(a_.work().finish_withdraw(batch.lease, "x", true));
  const auto is_batch = ElementsAre(Field(&BatchRecord::id, batch.lease.batch));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), is_batch);
  must(a_.work().mark_swept(batch.lease.batch));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), is_batch);
  world_->clock().advance(kSweepAgainAfter);
  must(a_.work().mark_swept(batch.lease.batch));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), IsEmpty());
}

// Prevents: what a stalled worker wrote for a batch that another one published by then lies for ever, or is looked for in every run.
TEST_P(LedgerConformance, PublishedBatchesThatWereTakenOverAreSweptOnce) {
  discover_new({"/a"});
  load();  // nobody took it over: nobody else can have written for it
  discover_new({"/b"});
  Worker b = join("b");
  const ClaimedBatch taken = claim(b);
  prepare(b, taken);
  world_->clock().advance(kLease);
  must(a_.work().confirm(must(a_.work().take_over(ingestion_, a_.id, kLease))->batch.lease, published()));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), IsEmpty());
  world_->clock().advance(kSweepAgainAfter);
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), ElementsAre(Field(&BatchRecord::id, taken.lease.batch)));
  must(a_.work().mark_swept(taken.lease.batch));
  EXPECT_THAT(must(a_.work().batches_to_sweep(ingestion_)), IsEmpty());
}

// Prevents: an untracked load marking files as loaded, or rule M comparing the table's mark with it (rule N).
TEST_P(LedgerConformance, RuleN_UntrackedBatchesTouchNoFiles) {
  discover_new({"/a"});
  const ClaimedBatch batch = must(a_.work().open_untracked(request(a_, run_)));
  EXPECT_FALSE(batch.tracked);
  EXPECT_THAT(batch.files, IsEmpty());
  const std::vector results = {result_of(ClaimedFile{.path = "/a", .version = "v1", .size_bytes = 10}, FileOutcome::kLoaded)};
  must(a_.work().prepare(batch.lease, record_of(batch), results));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_EQ(file("/a").state, FileState::kDiscovered);
  EXPECT_THAT(must(a_.handle->history().loads(ingestion_, "/a")), IsEmpty());
  EXPECT_EQ(must(a_.work().last_committed(ingestion_, kTableUuid)), std::nullopt);
  EXPECT_EQ(run_record().metrics.files_processed, 1);
  EXPECT_EQ(run_record().metrics.records_written, 5);
}

// Prevents: rule M asking the table for a batch that published nothing, for another table's, or for an older one than the last; or for none
// where the table is not named, so that nothing is ever compared.
TEST_P(LedgerConformance, RuleM_TheLastCommittedBatchIsTheNewestThatPublishedIntoThisTable) {
  discover_new({"/a"});
  const ClaimedBatch first = claim(a_);
  prepare(a_, first);
  must(a_.work().confirm(first.lease, published(1)));
  discover_new({"/b"});
  const ClaimedBatch nothing = claim(a_);
  prepare(a_, nothing, FileOutcome::kFailed);
  must(a_.work().confirm(nothing.lease, Published{}));
  discover_new({"/c"});
  prepare(a_, claim(a_));
  const auto last = must(a_.work().last_committed(ingestion_, kTableUuid));
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->id, first.lease.batch);
  EXPECT_EQ(last->sequence_number, 1);
  EXPECT_EQ(must(a_.work().last_committed(ingestion_, "another")), std::nullopt);
  const auto anywhere = must(a_.work().last_committed(ingestion_, ""));
  ASSERT_TRUE(anywhere.has_value());
  EXPECT_EQ(anywhere->id, first.lease.batch);
  EXPECT_EQ(must(a_.work().highest_seq(ingestion_)), 3);
}

// Prevents: a run that ends while another worker still holds files it saw (rule J), or that waits for nothing.
TEST_P(LedgerConformance, RuleJ_OutstandingSaysWhatIsNotFinished) {
  const auto left = [&] {
    const Outstanding o = must(a_.work().outstanding(ingestion_, run_, 3));
    return std::vector<int64_t>{o.claimable, o.in_live_batches, o.batches};
  };
  EXPECT_THAT(left(), ElementsAre(0, 0, 0));
  discover_new({"/a", "/b"});
  EXPECT_THAT(left(), ElementsAre(2, 0, 0));
  const ClaimedBatch batch = claim(a_);
  EXPECT_THAT(left(), ElementsAre(0, 2, 1));
  prepare(a_, batch);
  EXPECT_THAT(left(), ElementsAre(0, 2, 1));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_THAT(left(), ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace sluice
