#include "sql/sqlite.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <barrier>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "sql/migrations.h"

namespace sluice {
namespace {

using testing::HasSubstr;

class SqliteTest : public testing::Test {
 protected:
  SqliteTest() {
    std::string pattern = testing::TempDir() + "sqlite_test_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/a.db";
  }
  ~SqliteTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SqliteConnection> open(SqliteOptions options = {.wal = true}) {
    auto connection = SqliteConnection::open(path_, options);
    EXPECT_TRUE(connection.has_value()) << connection.error().message;
    return std::move(*connection);
  }
  static int64_t count(SqliteConnection& connection) { return connection.query_integer("SELECT count(*) FROM t").value().value(); }

  std::string folder_, path_;
};

// Prevents: text with a zero byte or an empty string read back as something else; null confused with 0.
TEST_F(SqliteTest, RoundTripsEveryKindOfValue) {
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE t (a, b, c, d, e)"));
  const std::string text("x\0y", 3);
  ASSERT_TRUE(db->execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", INT64_MIN, text, 0.5, std::optional<int64_t>(), std::string_view()));
  auto rows = db->query("SELECT * FROM t").value();
  ASSERT_TRUE(rows.next().value());
  EXPECT_EQ(rows.integer(0), INT64_MIN);
  EXPECT_EQ(rows.text(1), text);
  EXPECT_EQ(rows.real(2), 0.5);
  EXPECT_EQ(rows.optional_integer(3), std::nullopt);
  EXPECT_EQ(rows.optional_text(4), "");
  EXPECT_FALSE(rows.next().value());
}

// Prevents: a failed transaction that leaves its first half behind, or stays open and blocks the next.
TEST_F(SqliteTest, RollsBackWhatItsBodyRefuses) {
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE t (a UNIQUE)"));
  auto refused = db->transact([&]() -> Result<void> {
    TRY(db->execute("INSERT INTO t VALUES (1)"));
    TRY(db->execute("INSERT INTO t VALUES (1)"));
    return {};
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(count(*db), 0);
  ASSERT_TRUE(db->transact([&] { return db->execute("INSERT INTO t VALUES (1)"); }));
  EXPECT_EQ(count(*db), 1);
}

// Prevents: the same SQL read twice at once sharing one cursor, so that the outer loop ends early.
TEST_F(SqliteTest, NestsQueriesOfTheSameText) {
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)"));
  int pairs = 0;
  auto outer = db->query("SELECT a FROM t").value();
  while (outer.next().value()) {
    auto inner = db->query("SELECT a FROM t").value();
    while (inner.next().value()) ++pairs;
  }
  EXPECT_EQ(pairs, 9);
}

// Prevents: a second writer reported as a broken file, or as done.
TEST_F(SqliteTest, SaysUnavailableWhileAnotherWrites) {
  auto first = open();
  ASSERT_TRUE(first->run_script("CREATE TABLE t (a)"));
  auto second = open({.wal = true, .busy_timeout = std::chrono::milliseconds(1)});
  ASSERT_TRUE(first->transact([&]() -> Result<void> {
    auto busy = second->transact([&] { return second->execute("INSERT INTO t VALUES (1)"); });
    EXPECT_FALSE(busy);
    EXPECT_EQ(busy.error().code, ErrorCode::kUnavailable);
    return {};
  }));
  EXPECT_EQ(count(*second), 0);
}

// Prevents: programs that start at the same moment on a new file failing with "database is locked".
TEST_F(SqliteTest, OpensANewFileFromManyThreadsAtOnce) {
  const Migration steps[] = {{1, "first", "CREATE TABLE t (a)"}};
  std::vector<std::jthread> threads;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto db = SqliteConnection::open(path_, {.wal = true});
      ASSERT_TRUE(db.has_value()) << db.error().message;
      auto migrated = migrate(**db, steps, "2026-11-21T00:00:00Z");
      ASSERT_TRUE(migrated.has_value()) << migrated.error().message;
      ++opened;
    });
  }
  threads.clear();
  EXPECT_EQ(opened, 4);
}

// Prevents: a file taken for another program's because its tables came between two questions about them.
TEST_F(SqliteTest, IsMigratedByManyAtOnce) {
  const Migration steps[] = {{1, "first", "CREATE TABLE t (a)"}};
  constexpr int kPrograms = 4;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::unique_ptr<SqliteConnection>> programs;
    for (int i = 0; i < kPrograms; ++i) {
      programs.push_back(*SqliteConnection::open(fmt::format("{}-{}", path_, round), {.wal = true}));
    }
    std::barrier together(kPrograms);
    std::vector<std::jthread> threads;
    for (const auto& program : programs) {
      threads.emplace_back([&] {
        together.arrive_and_wait();
        const auto migrated = migrate(*program, steps, "now");
        EXPECT_TRUE(migrated) << migrated.error().message;
      });
    }
  }
}

// Prevents: a catalog file shared with other programs silently switched to another journal mode.
TEST_F(SqliteTest, LeavesTheJournalModeAloneUnlessAsked) {
  auto db = open({.wal = false});
  EXPECT_EQ(db->query_text("PRAGMA journal_mode").value(), "delete");
}

// Prevents: a damaged ledger taken for an empty one, and rewritten.
TEST_F(SqliteTest, RefusesAFileThatIsNoDatabaseAndLeavesItAlone) {
  const std::string bytes(4096, 'x');
  std::ofstream(path_) << bytes;
  auto opened = SqliteConnection::open(path_, {.wal = true});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(opened.error().message, HasSubstr(path_));
  std::ifstream in(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), bytes);
}

// Prevents: a truncated copy (half a backup) opened as if it were whole.
TEST_F(SqliteTest, RefusesATruncatedFile) {
  {
    auto db = open({.wal = false});
    ASSERT_TRUE(db->run_script("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))"));
  }
  std::filesystem::resize_file(path_, 20'000);
  auto opened = SqliteConnection::open(path_, {.wal = true});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
}

// Prevents: a mistyped ledger path that makes a new, empty ledger (and loads everything again).
TEST_F(SqliteTest, SaysNotFoundWhenItMayNotCreate) {
  auto opened = SqliteConnection::open(path_, {.create = false});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// Prevents: a full disk reported as corruption, and retried writes that never work again once there is room.
TEST_F(SqliteTest, SaysUnavailableWhenTheDiskIsFull) {
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE t (a); PRAGMA max_page_count = 10"));
  auto full = db->transact([&] { return db->execute("INSERT INTO t VALUES (zeroblob(1000000))"); });
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(full.error().message, HasSubstr(path_));
  ASSERT_TRUE(db->run_script("PRAGMA max_page_count = 100000"));
  EXPECT_TRUE(db->transact([&] { return db->execute("INSERT INTO t VALUES (zeroblob(1000000))"); }));
}

// Prevents: an I/O error of the commit itself taken for "nothing happened" (rule U), after which the caller deletes what it staged.
TEST_F(SqliteTest, SaysOutcomeUnknownWhenTheCommitItselfFails) {
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE t (a)"));
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto failed = db->transact([&]() -> Result<void> {
    TRY(db->execute("INSERT INTO t VALUES (zeroblob(100000))"));
    const rlimit tight{20'000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    return {};
  });
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_TRUE(db->transact([&] { return db->execute("INSERT INTO t VALUES (1)"); }));
}

// Prevents: an older program writing into tables whose meaning it does not know.
TEST_F(SqliteTest, AnOlderProgramRefusesANewerSchema) {
  const Migration steps[] = {{1, "first", "CREATE TABLE t (a)"}, {2, "second", "ALTER TABLE t ADD COLUMN b"}};
  auto db = open();
  ASSERT_TRUE(migrate(*db, steps, "now"));
  auto refused = migrate(*db, std::span(steps).first(1), "now");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("newer program"));
}

// Prevents: a migration that fails half way and is then skipped because its number was noted.
TEST_F(SqliteTest, AFailedMigrationLeavesNothing) {
  const Migration first[] = {{1, "first", "CREATE TABLE t (a)"}};
  const Migration broken[] = {first[0], {2, "broken", "CREATE TABLE u (a); CREATE TABLE t (a)"}};
  const Migration fixed[] = {first[0], {2, "fixed", "CREATE TABLE u (a)"}};
  auto db = open();
  ASSERT_TRUE(migrate(*db, first, "now"));
  ASSERT_FALSE(migrate(*db, broken, "now"));
  EXPECT_TRUE(migrate(*db, fixed, "now"));
}

// Prevents: `--ledger` pointed at the catalog (or at a user's database) filling it with our tables.
TEST_F(SqliteTest, RefusesAnotherProgramsFile) {
  const Migration steps[] = {{1, "first", "CREATE TABLE t (a)"}};
  auto db = open();
  ASSERT_TRUE(db->run_script("CREATE TABLE theirs (a)"));
  auto refused = migrate(*db, steps, "now");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace sluice
