// The small life of a table in REST catalogs: one that compares main's snapshot only, and one that shows no history besides. Each of the
// catalog's requests fails, is carried out without an answer or late, or is cut off with its process. The bugs are those of the other
// sweeps. What stands between the requests (ledger, store) fails there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crash_sweep.h"

namespace sluice {
namespace {

class RestSweep : public testing::TestWithParam<CatalogKind> {};

// Prevents that one failed request to the catalog doubles rows, loses them or leaves objects.
TEST_P(RestSweep, EveryRequestOnce) {
  Sweep sweep(case_of(two_loads, GetParam()));
  for (int64_t at = 1; at <= sweep.count(); ++at) {
    const FaultPlan::Operation& operation = sweep.operation(at);
    if (!operation.name.starts_with("http.")) continue;
    for (const FaultKind kind : {FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore,
                                 FaultKind::kCrashAfter, FaultKind::kStall}) {
      const bool as_another = operation.effect == Effect::kRead && kind != FaultKind::kFailBefore && kind != FaultKind::kStall;
      if (long_sweep() || !as_another) sweep.run({{.at = at, .kind = kind}});
    }
  }
}

// A request without an answer is carried out when others have gone on: a commit that was given up, a creation that somebody else repeated.
TEST_P(RestSweep, EveryWriteLandsLate) {
  Sweep sweep(case_of(two_loads, GetParam()));
  int writes = 0;
  for (int64_t at = 1; at <= sweep.count(); ++at) {
    if (sweep.operation(at).name != "http.POST") continue;
    ++writes;
    for (const int late_by : {1, 2, 4, 8, 1000}) {
      const Fault late{.at = at, .kind = FaultKind::kUnknownLate, .late_by = late_by};
      sweep.run({late});
      sweep.run({late, {.at = at + 1, .kind = FaultKind::kCrashBefore}});
    }
  }
  EXPECT_GE(writes, 5) << "namespace, table, append, schema, append";
}

// Prevents a fence that holds only where the whole metadata is compared: a given-up commit in flight must not land beside the next batch.
TEST_P(RestSweep, ACommitInFlightNeverLandsBesideTheNextBatch) {
  for (int late_by = 1; late_by <= 12; ++late_by) {
    const std::vector<Fault> faults = {{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = late_by},
                                       {.at = 3, .kind = FaultKind::kCrashBefore, .operation = "ledger.last_committed"}};
    const auto operations = run_case(faults, fmt::format("withdrawn, landing late by {}", late_by), load_given_up, 1, GetParam());
    EXPECT_EQ(std::ranges::count(operations, "catalog.commit!", &FaultPlan::Operation::name), 1) << "no commit was in flight";
  }
}

INSTANTIATE_TEST_SUITE_P(All, RestSweep, testing::Values(CatalogKind::kRest, CatalogKind::kRestWithoutHistory),
                         [](const auto& info) { return info.param == CatalogKind::kRest ? "Rest" : "RestWithoutHistory"; });

}  // namespace
}  // namespace sluice
