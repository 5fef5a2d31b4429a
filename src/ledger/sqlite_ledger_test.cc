#include "ledger/sqlite_ledger.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "ledger/ledger_conformance.h"
#include "ledger/ledger_walk.h"
#include "ledger/service_conformance.h"
#include "ledger/sqlite_backup.h"

namespace sluice {
namespace {

class TempFolder {
 public:
  TempFolder() {
    // In memory where there is such a folder: every write is synced, and these tests ask about order, not about the disk.
    path_ = (access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir()) + "ledger_test_XXXXXX";
    mkdtemp(path_.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class SqliteHandle final : public LedgerHandle {
 public:
  explicit SqliteHandle(std::unique_ptr<SqliteLedger> ledger) : ledger_(std::move(ledger)) {}
  WorkLedger& work() override { return *ledger_; }
  Registry& registry() override { return *ledger_; }
  RunQueue& queue() override { return *ledger_; }
  ServiceRecords& service() override { return *ledger_; }
  History& history() override { return *ledger_; }

 private:
  std::unique_ptr<SqliteLedger> ledger_;
};

class SqliteWorld final : public LedgerWorld {
 public:
  std::unique_ptr<LedgerHandle> open(const WorkerId& worker) override {
    return std::make_unique<SqliteHandle>(must(SqliteLedger::open(folder_.file("ledger.db"), worker, clock())));
  }

 private:
  TempFolder folder_;
};

std::unique_ptr<LedgerWorld> make_sqlite_world() { return std::make_unique<SqliteWorld>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerConformance, testing::Values(make_sqlite_world), [](const auto&) { return std::string("Ledger"); });
INSTANTIATE_TEST_SUITE_P(Sqlite, ServiceConformance, testing::Values(make_sqlite_world), [](const auto&) { return std::string("Ledger"); });
INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerWalk, testing::Values(make_sqlite_world), [](const auto&) { return std::string("Ledger"); });

class SqliteLedgerTest : public testing::Test {
 protected:
  std::string path() const { return folder_.file("ledger.db"); }
  std::unique_ptr<SqliteLedger> open(const std::string& worker = "w") { return must(SqliteLedger::open(path(), WorkerId(worker), clock_)); }

  /// An ingestion with one file that `ledger` has claimed.
  ClaimedBatch claim_one(SqliteLedger& ledger, const std::string& worker) {
    Ingestion definition;
    definition.name = "orders";
    ingestion_ = must(ledger.put_ingestion(definition)).id;
    const RunId run = must(ledger.start_run(ingestion_, Trigger::kCli, WorkerId(worker))).id;
    const Seen seen{.file = {.path = "/a", .version = "v1"}};
    must(ledger.record_discovered({.ingestion = ingestion_, .source = SourceId("s"), .run = run}, std::span(&seen, 1)));
    return must(ledger.claim({.ingestion = ingestion_,
                              .run = run,
                              .worker = WorkerId(worker),
                              .batch = BatchId(new_uuid()),
                              .lease = std::chrono::hours(1)}))
        .value();
  }

  /// A backup that is due again; returns when it was made.
  std::filesystem::file_time_type back_up_long_ago(SqliteLedger& ledger) {
    must(ledger.back_up_if_due());
    const auto long_ago = std::filesystem::file_time_type::clock::now() - 2 * kBackupInterval;
    std::filesystem::last_write_time(backup_path(path()), long_ago);
    return long_ago;
  }

  TempFolder folder_;
  ManualClock clock_;
  IngestionId ingestion_;
};

// Prevents: another id with every start: rule M would call every mark foreign.
TEST_F(SqliteLedgerTest, KeepsItsId) {
  const LedgerId id = open()->ledger_id();
  EXPECT_FALSE(id.empty());
  EXPECT_EQ(open()->ledger_id(), id);
}

// Prevents: a damaged ledger answered with a new, empty one: everything would be loaded again.
TEST_F(SqliteLedgerTest, RefusesADamagedFileAndLeavesItAlone) {
  const std::string bytes(10'000, '?');
  std::ofstream(path()) << bytes;
  const auto opened = SqliteLedger::open(path(), WorkerId("w"), clock_);
  EXPECT_THAT(opened, FailsWith(ErrorCode::kCorruption));
  EXPECT_THAT(opened.error().message, testing::HasSubstr(path()));
  EXPECT_EQ(std::filesystem::file_size(path()), bytes.size());
}

/// Overwrites part of a file, as a disk does that lost a block.
void overwrite(const std::string& path, int64_t at, int64_t length) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file << std::string(static_cast<size_t>(length), '\x5a');
}

// Prevents: a ledger that lost a page or its end taken for good: the files that stood there are loaded again.
TEST_F(SqliteLedgerTest, RecognisesALostPageAndALostEndAtStart) {
  open();
  const int64_t page_bytes = *must(must(SqliteConnection::open(path(), {}))->query_integer("PRAGMA page_size"));
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path()));
  const std::string good = folder_.file("good.db");
  std::filesystem::copy_file(path(), good);
  overwrite(path(), bytes / 2 / page_bytes * page_bytes, page_bytes);
  const auto lost_page = SqliteLedger::open(path(), WorkerId("w"), clock_);
  ASSERT_THAT(lost_page, FailsWith(ErrorCode::kCorruption));
  EXPECT_THAT(lost_page.error().message, testing::AllOf(testing::HasSubstr("sluice restore"), testing::HasSubstr("sluice rebuild")));

  std::filesystem::copy_file(good, path(), std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(path(), static_cast<uintmax_t>(bytes / 2));
  const auto lost_end = SqliteLedger::open(path(), WorkerId("w"), clock_);
  ASSERT_THAT(lost_end, FailsWith(ErrorCode::kCorruption));
  EXPECT_THAT(lost_end.error().message, testing::HasSubstr("sluice restore"));
}

// Prevents: a worker that goes on with a ledger damaged under its hands, or says something else about it than at the start.
TEST_F(SqliteLedgerTest, SaysTheSameOfDamageFoundLater) {
  const auto ledger = open();
  claim_one(*ledger, "w");
  must(must(SqliteConnection::open(path(), {}))->query_text("PRAGMA wal_checkpoint(TRUNCATE)"));
  overwrite(path(), 8192, static_cast<int64_t>(std::filesystem::file_size(path())) - 8192);
  const auto opened = ledger->known_files(ingestion_, SourceId("s"));
  ASSERT_THAT(opened, FailsWith(ErrorCode::kCorruption));
  EXPECT_THAT(opened.error().message, testing::HasSubstr("Ways out: `sluice restore`"));
}

// Prevents: a backup that is older than it may be, one made with every run, or one that lacks what is still in the log.
TEST_F(SqliteLedgerTest, KeepsABackupThatIsWholeAndNotOlderThanItsInterval) {
  SystemClock clock;  // the age of a backup is that of its file
  auto ledger = must(SqliteLedger::open(path(), WorkerId("w"), clock));
  claim_one(*ledger, "w");
  EXPECT_TRUE(must(ledger->back_up_if_due()));
  EXPECT_FALSE(must(ledger->back_up_if_due()));
  std::filesystem::last_write_time(backup_path(path()), std::filesystem::file_time_type::clock::now() - kBackupInterval);
  const std::string left_by_a_kill = path() + ".copy-1";
  std::ofstream(left_by_a_kill) << "half";
  std::filesystem::last_write_time(left_by_a_kill, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  EXPECT_TRUE(must(ledger->back_up_if_due()));

  EXPECT_FALSE(std::filesystem::exists(left_by_a_kill));
  EXPECT_FALSE(std::filesystem::exists(backup_path(path()) + "-wal"));
  auto copy = must(SqliteConnection::open(backup_path(path()), {.create = false}));
  EXPECT_EQ(must(copy->query_text("SELECT file_path FROM processed_files")), "/a");
}

// Prevents: the last good copy overwritten by a copy of the damage.
TEST_F(SqliteLedgerTest, ADamagedLedgerLeavesTheBackupAlone) {
  SystemClock clock;
  auto ledger = must(SqliteLedger::open(path(), WorkerId("w"), clock));
  claim_one(*ledger, "w");
  const auto long_ago = back_up_long_ago(*ledger);
  must(must(SqliteConnection::open(path(), {}))->query_text("PRAGMA wal_checkpoint(TRUNCATE)"));
  overwrite(path(), static_cast<int64_t>(std::filesystem::file_size(path())) / 2, 8192);
  EXPECT_THAT(ledger->back_up_if_due(), FailsWith(ErrorCode::kCorruption));
  EXPECT_EQ(std::filesystem::last_write_time(backup_path(path())), long_ago);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path())) {
    files += entry.path().filename().string().find(".copy-") != std::string::npos;
  }
  EXPECT_EQ(files, 0);
}

// Prevents: the last good copy replaced by one in which a file is known to the table and not to its index: a write that the disk lost
// leaves each page whole.
TEST_F(SqliteLedgerTest, AnIndexThatMissedAWriteLeavesTheBackupAlone) {
  SystemClock clock;
  auto ledger = must(SqliteLedger::open(path(), WorkerId("w"), clock));
  claim_one(*ledger, "w");
  const auto long_ago = back_up_long_ago(*ledger);

  auto other = must(SqliteConnection::open(path(), {}));
  const auto page_bytes = static_cast<size_t>(*must(other->query_integer("PRAGMA page_size")));
  const auto page =
      static_cast<size_t>(*must(other->query_integer("SELECT rootpage FROM sqlite_schema WHERE name = 'idx_processed_files_merge'")));
  const auto begin = static_cast<std::streamoff>((page - 1) * page_bytes);
  must(other->query_text("PRAGMA wal_checkpoint(TRUNCATE)"));
  std::string before(page_bytes, '\0');
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(begin).read(before.data(), static_cast<std::streamsize>(before.size()));
  must(other->execute("UPDATE processed_files SET file_etag = 'newer'"));
  must(other->query_text("PRAGMA wal_checkpoint(TRUNCATE)"));
  file.seekp(begin).write(before.data(), static_cast<std::streamsize>(before.size())).flush();

  EXPECT_THAT(ledger->back_up_if_due(), FailsWith(ErrorCode::kCorruption));
  EXPECT_EQ(std::filesystem::last_write_time(backup_path(path())), long_ago);
}

// Prevents: a restored ledger with the damaged one's log laid over it, a damaged file that is lost with what could be read from it, and a
// ledger exchanged under a living worker.
TEST_F(SqliteLedgerTest, RestoresItsBackup) {
  SystemClock clock;
  auto ledger = must(SqliteLedger::open(path(), WorkerId("w"), clock));
  claim_one(*ledger, "w");
  must(ledger->back_up_if_due());
  EXPECT_THAT(SqliteLedger::restore(path(), clock), FailsWith(ErrorCode::kConflict));

  ledger.reset();
  std::ofstream(path()) << "garbage";
  std::ofstream(path() + "-wal") << "more of it";
  const std::string aside = must(SqliteLedger::restore(path(), clock));
  EXPECT_EQ(std::filesystem::file_size(aside), 7u);
  EXPECT_TRUE(std::filesystem::exists(aside + "-wal"));
  const auto restored = must(SqliteLedger::open(path(), WorkerId("v"), clock));
  EXPECT_EQ(must(restored->files({.ingestion = ingestion_})).total, 1);
}

// Prevents: `restore` that takes the damaged ledger away though it has nothing better to put there.
TEST_F(SqliteLedgerTest, RestoresNothingFromADamagedBackup) {
  SystemClock clock;
  open();
  EXPECT_THAT(SqliteLedger::restore(path(), clock), FailsWith(ErrorCode::kNotFound));
  std::ofstream(backup_path(path())) << std::string(10'000, '?');
  EXPECT_THAT(SqliteLedger::restore(path(), clock), FailsWith(ErrorCode::kCorruption));
  EXPECT_TRUE(must(SqliteConnection::open(path(), {.create = false})));
}

// Prevents: an older program working on tables whose meaning changed.
TEST_F(SqliteLedgerTest, RefusesANewerSchema) {
  open();
  must(must(SqliteConnection::open(path(), {}))->run_script("INSERT INTO schema_migrations VALUES (1000, 'later', 'later')"));
  const auto opened = SqliteLedger::open(path(), WorkerId("w"), clock_);
  EXPECT_THAT(opened, FailsWith(ErrorCode::kInvalidInput));
  EXPECT_THAT(opened.error().message, testing::HasSubstr("newer program"));
}

// Prevents: the merge over a million files reading the table itself (2 s instead of 0.2 s), or sorting.
TEST_F(SqliteLedgerTest, TheMergeReadsTheCoveringIndexAlone) {
  open();
  auto connection = must(SqliteConnection::open(path(), {}));
  auto rows =
      must(connection->query("EXPLAIN QUERY PLAN SELECT file_path, file_etag, file_size_bytes FROM processed_files "
                             "INDEXED BY idx_processed_files_merge WHERE ingestion_id = ? AND source_id = ? ORDER BY file_path",
                             "i", "s"));
  ASSERT_TRUE(must(rows.next()));
  EXPECT_THAT(rows.text(3), testing::HasSubstr("USING COVERING INDEX idx_processed_files_merge"));
  EXPECT_FALSE(must(rows.next()));
}

// Prevents: every claim of a first load sorting all files that wait.
TEST_F(SqliteLedgerTest, ClaimsReadTheWaitingFilesInOrder) {
  open();
  auto connection = must(SqliteConnection::open(path(), {}));
  auto rows = must(
      connection->query("EXPLAIN QUERY PLAN SELECT id, file_path FROM processed_files WHERE ingestion_id = ?1 AND status = 'DISCOVERED' "
                        "AND worker_deaths = 0 UNION ALL SELECT id, file_path FROM processed_files WHERE ingestion_id = ?1 AND "
                        "status = 'FAILED' AND worker_deaths = 0 ORDER BY 2 LIMIT 5",
                        "i"));
  std::string plan;
  while (must(rows.next())) plan += rows.text(3) + "\n";
  EXPECT_THAT(plan, testing::HasSubstr("MERGE (UNION ALL)"));
  EXPECT_THAT(plan, testing::HasSubstr("USING INDEX idx_processed_files_ingestion_status (ingestion_id=? AND status=?)"));
  EXPECT_THAT(plan, testing::Not(testing::HasSubstr("TEMP B-TREE")));
}

// Prevents: a batch's files, a file's record and its history looked for in the whole table.
TEST_F(SqliteLedgerTest, NoQuestionOfEveryBatchScansATable) {
  open();
  auto connection = must(SqliteConnection::open(path(), {}));
  for (const char* question :
       {"SELECT id FROM processed_files WHERE ingestion_id = 'i' AND status = 'PROCESSING' AND batch_id = 'b' ORDER BY file_path",
        "SELECT id FROM processed_files WHERE ingestion_id = 'i' AND source_id = 's' AND file_path = 'p' AND file_etag = 'v'",
        "SELECT id FROM processed_files WHERE status = 'SUCCESS' AND processed_at >= '2026'",
        "SELECT 1 FROM batch_files f JOIN batches b ON b.id = f.batch_id WHERE f.file_path = 'p' AND f.version = 'v'",
        "DELETE FROM batch_files WHERE batch_id = 'b' AND file_path IN (SELECT file_path FROM processed_files WHERE ingestion_id = 'i' "
        "AND status = 'PROCESSING' AND batch_id = 'b')"}) {
    auto rows = must(connection->query(std::string("EXPLAIN QUERY PLAN ") + question));
    while (must(rows.next())) {
      EXPECT_THAT(rows.text(3), testing::Not(testing::StartsWith("SCAN"))) << question;
      EXPECT_THAT(rows.text(3), testing::Not(testing::HasSubstr("TEMP B-TREE"))) << question;
    }
  }
}

// Prevents: after SIGKILL the next run waiting for the lease; a lock that a dead process seems to hold.
TEST_F(SqliteLedgerTest, AKilledProcessIsKnownToBeDeadAtOnce) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    try {
      const auto ledger = open("child");
      const ClaimedBatch batch = claim_one(*ledger, "child");
      ledger->note_in_hand(batch.lease, 5, "/a");
      if (write(ready[1], ingestion_.text.data(), ingestion_.text.size()) > 0) pause();
    } catch (const std::exception& e) {
      fprintf(stderr, "the child: %s\n", e.what());
    }
    _exit(1);
  }
  close(ready[1]);
  char id[64];
  const ssize_t length = read(ready[0], id, sizeof id);
  ASSERT_GT(length, 0);
  const IngestionId ingestion(std::string(id, static_cast<size_t>(length)));
  const auto ledger = open("parent");
  EXPECT_EQ(must(ledger->take_over(ingestion, WorkerId("parent"), std::chrono::hours(1))), std::nullopt);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto taken = must(ledger->take_over(ingestion, WorkerId("parent"), std::chrono::hours(1)));
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->batch.files[0].worker_deaths, 1);
  EXPECT_EQ(must(ledger->close_dead_runs(ingestion)), 1);
}

// Prevents: a lock file for every run that ever was, or the removal of one that still tells something.
TEST_F(SqliteLedgerTest, LockFilesStayOnlyWhileTheyTellSomething) {
  const std::string locks = path() + ".workers";
  const auto count = [&] { return std::distance(std::filesystem::directory_iterator(locks), std::filesystem::directory_iterator()); };
  auto first = open("first");
  const ClaimedBatch batch = claim_one(*first, "first");
  first.reset();
  EXPECT_EQ(count(), 1);
  auto second = open("second");
  must(second->start_run(ingestion_, Trigger::kCli, WorkerId("second")));
  EXPECT_EQ(count(), 2);
  must(second->finish_withdraw(must(second->take_over(ingestion_, WorkerId("second"), std::chrono::hours(1)))->batch.lease, "x", false));
  must(second->close_dead_runs(ingestion_));
  auto third = open("third");
  const RunId run = must(third->start_run(ingestion_, Trigger::kCli, WorkerId("third"))).id;
  EXPECT_EQ(count(), 2);
  must(third->finish_run(run, RunState::kCompleted, ""));
  third.reset();
  EXPECT_EQ(count(), 1);
}

// Prevents: a claim under a name whose lock nobody holds: others would take it over while it is worked on.
TEST_F(SqliteLedgerTest, ClaimsOnlyForItsOwnWorker) {
  auto ledger = open("w");
  claim_one(*ledger, "w");
  EXPECT_THAT(ledger->start_run(ingestion_, Trigger::kCli, WorkerId("other")), FailsWith(ErrorCode::kInvalidInput));
}

// Prevents: people with sqlite3 in hand who cannot read the ledger: states and times are words.
TEST_F(SqliteLedgerTest, IsReadable) {
  auto ledger = open("w");
  claim_one(*ledger, "w");
  auto connection = must(SqliteConnection::open(path(), {}));
  EXPECT_EQ(must(connection->query_text("SELECT status FROM processed_files")), "PROCESSING");
  EXPECT_EQ(must(connection->query_text("SELECT state FROM batches")), "STAGING");
  EXPECT_EQ(must(connection->query_text("SELECT discovered_at FROM processed_files")), to_text(clock_.now()));
}

}  // namespace
}  // namespace sluice
