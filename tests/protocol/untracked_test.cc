// Rule N: loads that remember no file. Tests are named after the rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>

#include "pipeline/read_rules.h"
#include "world/dying_processes.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::UnorderedElementsAre;

/// Calls `act` whenever files are about to be read: they have been listed.
class BeforeStage final : public ForwardingSink {
 public:
  BeforeStage(Sink& inner, std::function<void()> act) : ForwardingSink(inner), act_(std::move(act)) {}
  Result<std::unique_ptr<Stager>> stage(const TargetState& s, const Ingestion& i, const ClaimedBatch& b) override {
    act_();
    return inner_.stage(s, i, b);
  }

 private:
  std::function<void()> act_;
};

/// a.json and b.json, and a table that has row 0: later loads read a file when they stage it, and not before.
void put_beside_a_table(World& world) {
  world.put("first.json", {0});
  world.run();
  world.drop("first.json");
  world.put("a.json", {1});
  world.put("b.json", {2});
}

/// An untracked run into a table that is there, during which `act` is called before each batch is read.
RunReport run_untracked(World& world, const std::function<void()>& act) {
  world.ingestion.tracking = false;
  std::unique_ptr<BeforeStage> sink;
  const auto wrapping = wrap_sink<BeforeStage>(sink, [&](Sink& inner) { return std::make_unique<BeforeStage>(inner, act); });
  auto report = world.start(wrapping)->run();
  EXPECT_TRUE(report);
  return report.value_or(RunReport{});
}

// Bug: a file that changes between listing and reading is left for a next run, which nobody makes for it: its rows are missing, and the
// run says that all is well.
TEST(RuleN, AFileThatChangesBeforeItIsReadIsListedAndReadAgain) {
  World world;
  put_beside_a_table(world);
  int changes = 0;
  const RunReport report = run_untracked(world, [&] {
    if (changes++ == 0) world.put("a.json", {10, 11});
  });
  EXPECT_EQ(report.run.state, RunState::kCompleted);
  EXPECT_EQ(report.run.metrics.files_failed, 0);
  EXPECT_EQ(report.run.metrics.files_processed, 2);
  EXPECT_EQ(report.files_found, 2);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(0, 2, 10, 11));
}

// Bug: a file that changes all the time keeps an untracked run going for ever, or is left out of it without a word.
TEST(RuleN, AFileThatNeverHoldsStillHasFailed) {
  World world;
  put_beside_a_table(world);
  int64_t next = 100;
  const RunReport report = run_untracked(world, [&] { world.put("a.json", {next, ++next}); });
  EXPECT_EQ(report.run.state, RunState::kCompleted);
  EXPECT_EQ(report.run.metrics.files_failed, 1);
  EXPECT_EQ(next, 100 + kReleasesMax + 1);
  EXPECT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(0, 2));
  world.drop("b.json");
  EXPECT_EQ(run_untracked(world, [&] { world.put("a.json", {next, ++next}); }).run.state, RunState::kFailed);  // every file
}

// Bug: files that start_from leaves out are loaded because nothing is remembered of them.
TEST(RuleN, HonoursStartFrom) {
  World world;
  world.put("old.json", {1});
  world.clock.advance(std::chrono::hours(1));
  world.ingestion.start_from = world.clock.now();
  world.clock.advance(std::chrono::hours(1));
  world.put("new.json", {2});
  world.ingestion.tracking = false;
  EXPECT_EQ(world.run().run.metrics.files_skipped, 1);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(2));
}

}  // namespace
}  // namespace sluice
