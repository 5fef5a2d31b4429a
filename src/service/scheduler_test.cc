#include "service/scheduler.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "ledger/sqlite_ledger.h"

namespace sluice {
namespace {

Timestamp at(const char* text) { return parse_timestamp(text).value(); }

/// Servers on one ledger, under a clock that moves when told.
class SchedulerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "scheduler_XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    ledger_ = open("a");
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<SqliteLedger> open(const char* worker) { return *SqliteLedger::open(folder_ + "/ledger.db", WorkerId(worker), clock_); }
  IngestionId define(const std::string& schedule, const std::string& timezone = "UTC") {
    Ingestion ingestion;
    ingestion.name = "orders";
    ingestion.managed_by = "api";
    ingestion.schedule = schedule;
    ingestion.timezone = timezone;
    ingestion.table = {.catalog = "local", .ns = {"db"}, .name = "orders"};
    return ledger_->put_ingestion(ingestion)->id;
  }
  int64_t fire(RunQueue& queue) { return Scheduler(queue, clock_, log_, 1000).fire_due().value(); }
  int64_t fire() { return fire(*ledger_); }
  /// Takes the waiting run and ends it.
  void run() {
    const auto taken = ledger_->take_run(WorkerId("a")).value();
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(taken->run.trigger, Trigger::kSchedule);
    ASSERT_TRUE(ledger_->finish_run(taken->run.id, RunState::kCompleted, ""));
  }

  std::string folder_;
  ManualClock clock_{at("2026-11-21T11:00:30Z")};
  Redaction redaction_;
  Log log_{clock_, redaction_};
  std::unique_ptr<SqliteLedger> ledger_;
};

// Prevents: a schedule that fires at once, twice in its minute, or not in the next.
TEST_F(SchedulerTest, FiresOncePerMinute) {
  define("* * * * *");
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::seconds(29));
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(fire(), 1);
  run();
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(fire(), 1);
}

// Prevents: overlapping runs, and a firing that is lost because the run before it took long.
TEST_F(SchedulerTest, DoesNotOverlapAndMakesUpOnce) {
  define("* * * * *");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(fire(), 1);
  for (int minute = 0; minute < 5; ++minute) {
    clock_.advance(std::chrono::minutes(1));
    EXPECT_EQ(fire(), 0);
  }
  run();
  EXPECT_EQ(fire(), 1);
  run();
  EXPECT_EQ(fire(), 0);
}

// Prevents: a server that makes up for every minute of the night it was down, or for none; and one that forgets what fired before.
TEST_F(SchedulerTest, MissedFiringsComeOnceAfterARestart) {
  define("0 * * * *");
  ledger_.reset();
  clock_.advance(std::chrono::hours(9));
  ledger_ = open("a2");
  EXPECT_EQ(fire(), 1);
  ASSERT_TRUE(ledger_->take_run(WorkerId("a2")).value().has_value());
  ledger_.reset();
  ledger_ = open("a");
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(fire(), 1);
}

// Prevents: two servers that fire for the same minute one after the other.
TEST_F(SchedulerTest, TwoServersFireOnce) {
  define("* * * * *");
  const auto other = open("b");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(fire(), 1);
  run();
  EXPECT_EQ(fire(*other), 0);
}

// Prevents: paused ingestions that run at night, and a resumed one that makes up for its pause.
TEST_F(SchedulerTest, APauseIsNotMadeUpFor) {
  const IngestionId id = define("*/5 * * * *");
  ASSERT_TRUE(ledger_->set_status(id, "PAUSED"));
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(fire(), 0);
  ASSERT_TRUE(ledger_->set_status(id, "ACTIVE"));
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::minutes(5));
  EXPECT_EQ(fire(), 1);
}

// Prevents: schedules that ignore their time zone.
TEST_F(SchedulerTest, FiresInItsTimeZone) {
  define("0 13 * * *", "Europe/Berlin");
  clock_.advance(at("2026-11-21T11:59:59Z") - clock_.now());
  EXPECT_EQ(fire(), 0);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(fire(), 1);
}

}  // namespace
}  // namespace sluice
