// Every operation of a small life of a table goes wrong in every way, one at a time; after the recovery the invariants of the protocol
// must hold. The bug that each case prevents: an interleaving of a crash, a lost answer or a stall that doubles rows, loses them,
// contradicts the ledger or leaves objects behind. A failure names the operation, its number and the fault.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "crash_sweep.h"

namespace sluice {
namespace {

class CrashSweep : public testing::TestWithParam<FaultKind> {};

// Bug: there is one operation whose failure, lost answer or crash doubles a row, loses one, or leaves an object that nobody sweeps.
TEST_P(CrashSweep, EveryOperationOnce) {
  Sweep sweep(case_of(two_loads));
  ASSERT_GT(sweep.count(), 50);
  sweep.run_each(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, CrashSweep,
                         testing::Values(FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore,
                                         FaultKind::kCrashAfter, FaultKind::kStall),
                         [](const auto& info) { return name_of_kind(info.param); });

bool is_catalog_write(const std::string& operation) {
  return operation == "catalog.commit" || operation == "catalog.create" || operation == "rows.insert" || operation == "rows.swap";
}

// A commit without an answer lands when others have gone on: after each number of further catalog operations, with its process alive or
// dead by then.
TEST(LateSweep, EveryCatalogWriteLandsLate) {
  Sweep sweep(case_of(two_loads));
  for (int64_t at = 1; at <= sweep.count(); ++at) {
    if (!is_catalog_write(sweep.operation(at).name)) continue;
    for (const int late_by : {1, 2, 3, 4, 5, 6, 8, 12, 1000}) {
      const Fault late{.at = at, .kind = FaultKind::kUnknownLate, .late_by = late_by};
      sweep.run({late});
      sweep.run({late, {.at = at + 1, .kind = FaultKind::kCrashBefore}});
    }
  }
}

// A batch is given up while its commit may be in flight: without the fence, or with files released before it, both the old and the new
// batch land.
TEST(WithdrawSweep, ACommitInFlightNeverLandsBesideTheNextBatch) {
  for (int late_by = 1; late_by <= 12; ++late_by) {
    const std::vector<Fault> faults = {{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = late_by},
                                       {.at = 3, .kind = FaultKind::kCrashBefore, .operation = "ledger.last_committed"}};
    const auto operations = run_case(faults, fmt::format("withdrawn, landing late by {}", late_by), load_given_up);
    EXPECT_EQ(std::ranges::count(operations, "catalog.commit!", &FaultPlan::Operation::name), 1) << "no commit was in flight";
  }
}

// The steps of a withdrawal, cut off anywhere: files released twice, a batch half given up, a fence that leaves its list behind.
TEST(WithdrawSweep, EveryOperationOnce) {
  Sweep sweep(case_of(load_given_up), {{.kind = FaultKind::kCrashBefore, .operation = "catalog.commit"}});
  const auto died = std::ranges::find(sweep.operations(), "catalog.commit!", &FaultPlan::Operation::name);
  ASSERT_NE(died, sweep.operations().end());
  for (const FaultKind kind : {FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore}) {
    sweep.run_each(kind, died - sweep.operations().begin() + 2);
  }
}

// A worker sleeps while it writes for a commit; the one that takes over publishes, and removes what it finds of the first. Then the rest of
// it comes, and its commit gets no answer, or it dies before: an object that nobody looks for any more.
TEST(PairSweep, AStallBeforeACommitThatFails) {
  Sweep sweep(case_of(two_loads));
  for (int64_t at = 1; at <= sweep.count(); ++at) {
    const std::string& name = sweep.operation(at).name;
    std::vector<FaultKind> kinds;
    if (is_catalog_write(name) || name == "rows.begin_attempt") kinds = {FaultKind::kFailBefore, FaultKind::kFailAfter};
    if (name == "store.put") kinds = {FaultKind::kCrashAfter};
    for (const FaultKind kind : kinds) {
      for (int64_t before = 1; before <= 6 && before < at; ++before) {
        sweep.run({{.at = at - before, .kind = FaultKind::kStall}, {.at = at, .kind = kind}});
      }
    }
  }
}

// Two faults at random: recovery itself is cut off. SLUICE_TEST_LONG=1 for many.
TEST(PairSweep, TwoFaultsAtRandom) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 dice(seed);
  constexpr FaultKind kKinds[] = {FaultKind::kFailBefore,  FaultKind::kFailAfter,  FaultKind::kUnknownWithout, FaultKind::kUnknownLate,
                                  FaultKind::kCrashBefore, FaultKind::kCrashAfter, FaultKind::kStall};
  Sweep sweep(case_of(two_loads));
  const auto draw = [&] {
    return Fault{.at = 1 + static_cast<int64_t>(dice() % static_cast<uint64_t>(sweep.count())),
                 .kind = kKinds[dice() % std::size(kKinds)],
                 .late_by = 1 + static_cast<int>(dice() % 12)};
  };
  const int pairs = long_sweep() ? 1000 : 60;
  for (int i = 0; i < pairs; ++i) sweep.run({draw(), draw()});
}

}  // namespace
}  // namespace sluice
