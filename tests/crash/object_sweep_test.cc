// Rule S under faults: every operation of a small life of Parquet objects goes wrong in every way; afterwards each file that is done has
// its object, of its version, and there is no other. The bug that each case prevents: an interleaving that loses an object, leaves an old
// one where a new one belongs, or stops for good at one that a dead worker left.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crash_world.h"

namespace sluice {
namespace {

constexpr int kFailedCasesMax = 5;

void two_conversions(FaultyWorld& faulty) {
  faulty.world.use_objects();
  faulty.expected = {1, 2, 3, 5, 6, 7, 8, 9};
  two_loads(faulty);
}

class ObjectSweep : public testing::TestWithParam<FaultKind> {};

// Bug: there is one operation whose failure, lost answer, crash or stall leaves ledger and objects apart.
TEST_P(ObjectSweep, EveryOperationOnce) {
  const auto operations = run_case({}, "without faults", two_conversions);
  ASSERT_GT(std::ssize(operations), 40);
  ASSERT_NE(std::ranges::find(operations, "store.put", &FaultPlan::Operation::name), operations.end());
  int failed = 0;
  for (int64_t at = 1; at <= std::ssize(operations) && failed < kFailedCasesMax; ++at) {
    const std::vector<Fault> faults = {{.at = at, .kind = GetParam()}};
    const std::string when = name_of(faults, operations);
    SCOPED_TRACE(when);
    const int before = testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    run_case(faults, when, two_conversions);
    failed += testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count() > before;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ObjectSweep,
                         testing::Values(FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore,
                                         FaultKind::kCrashAfter, FaultKind::kStall),
                         [](const auto& info) {
                           std::string name(to_string(info.param));
                           std::ranges::replace(name, ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice
