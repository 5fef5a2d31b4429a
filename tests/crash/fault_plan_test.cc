#include "fault_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FaultPlanTest : public ::testing::Test {
 protected:
  Result<int> act(FaultPlan& plan, std::string_view operation, Effect effect = Effect::kWrite) {
    return plan.run(operation, effect, [this]() -> Result<int> { return ++effects_; });
  }

  int effects_ = 0;
};

// A plan that is off by one would leave the first or the last operation of a sweep untested.
TEST_F(FaultPlanTest, FailsTheNthOperationAndOnlyThat) {
  FaultPlan plan({.at = 2, .kind = FaultKind::kFailBefore});
  EXPECT_TRUE(act(plan, "a"));
  EXPECT_FALSE(plan.fired());
  const Result<int> failed = act(plan, "b");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("b"));
  EXPECT_TRUE(act(plan, "c"));
  EXPECT_TRUE(plan.fired());
  EXPECT_EQ(effects_, 2);
  EXPECT_EQ(plan.count(), 3);
  EXPECT_THAT(plan.trace(), ElementsAre("a", "b!", "c"));
}

// "Unavailable" promises that nothing happened; a write that happened must not be answered so, or callers double it rightly.
TEST_F(FaultPlanTest, AnswersKeepTheContractOfTheOperation) {
  struct Case {
    FaultKind kind;
    Effect effect;
    ErrorCode code;
    int effects;
  };
  for (const Case& c : {Case{FaultKind::kFailBefore, Effect::kWrite, ErrorCode::kUnavailable, 0},
                        Case{FaultKind::kFailAfter, Effect::kWrite, ErrorCode::kOutcomeUnknown, 1},
                        Case{FaultKind::kFailAfter, Effect::kRepeatable, ErrorCode::kUnavailable, 1},
                        Case{FaultKind::kFailAfter, Effect::kRead, ErrorCode::kUnavailable, 1},
                        Case{FaultKind::kUnknownWithout, Effect::kWrite, ErrorCode::kOutcomeUnknown, 0},
                        Case{FaultKind::kUnknownWithout, Effect::kRead, ErrorCode::kUnavailable, 0},
                        Case{FaultKind::kUnknownLate, Effect::kWrite, ErrorCode::kOutcomeUnknown, 0},
                        Case{FaultKind::kCrashBefore, Effect::kWrite, ErrorCode::kCancelled, 0},
                        Case{FaultKind::kCrashAfter, Effect::kWrite, ErrorCode::kCancelled, 1}}) {
    FaultPlan plan({.kind = c.kind});
    effects_ = 0;
    const Result<int> result = act(plan, "op", c.effect);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, c.code) << to_string(c.kind);
    EXPECT_EQ(effects_, c.effects) << to_string(c.kind);
  }
}

// A dead process that still writes would hide every missing recovery.
TEST_F(FaultPlanTest, NothingHappensBetweenCrashAndRestart) {
  FaultPlan plan({.at = 2, .kind = FaultKind::kCrashAfter});
  EXPECT_TRUE(act(plan, "a"));
  EXPECT_FALSE(act(plan, "b"));
  EXPECT_TRUE(plan.crashed());
  EXPECT_EQ(act(plan, "c").error().code, ErrorCode::kCancelled);
  EXPECT_EQ(effects_, 2);
  plan.restart();
  EXPECT_TRUE(act(plan, "d"));
  EXPECT_EQ(plan.count(), 3);
  EXPECT_EQ(effects_, 3);
}

// A test that aims at the second commit must not hit the second of anything.
TEST_F(FaultPlanTest, CountsByNameAndTakesSeveralFaults) {
  FaultPlan plan({Fault{.at = 2, .operation = "x."}, Fault{.at = 1, .kind = FaultKind::kFailAfter, .operation = "y"}});
  EXPECT_TRUE(act(plan, "x.a"));
  EXPECT_FALSE(act(plan, "y"));
  EXPECT_TRUE(act(plan, "y"));
  EXPECT_FALSE(act(plan, "x.b"));
  EXPECT_TRUE(act(plan, "x.b"));
  EXPECT_EQ(effects_, 4);
}

// A sweep ends when a run passes untouched: a plan that fires without a fault would never let it.
TEST_F(FaultPlanTest, WithoutFaultsItOnlyCounts) {
  FaultPlan plan;
  EXPECT_TRUE(act(plan, "a"));
  EXPECT_EQ(plan.count(), 1);
  EXPECT_FALSE(plan.fired());
}

}  // namespace
}  // namespace sluice
