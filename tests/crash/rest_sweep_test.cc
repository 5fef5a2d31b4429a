// The small life of a table in REST catalogs: one that compares main's snapshot only, and one that shows no history besides. Each of the
// catalog's requests fails, is carried out without an answer or late, or is cut off with its process. The bugs are those of the other
// sweeps. What stands between the requests (ledger, store) fails there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crash_world.h"

namespace sluice {
namespace {

using Operations = std::vector<FaultPlan::Operation>;

class RestSweep : public testing::TestWithParam<CatalogKind> {
 protected:
  Operations run(const std::vector<Fault>& faults, const Operations& operations = {}, const Life& life = two_loads) {
    const std::string when = faults.empty() ? "without faults" : name_of(faults, operations);
    SCOPED_TRACE(when);
    return run_case(faults, when, life, 1, GetParam());
  }
};

// Prevents that one failed request to the catalog doubles rows, loses them or leaves objects.
TEST_P(RestSweep, EveryRequestOnce) {
  const Operations operations = run({});
  for (int64_t at = 1; at <= std::ssize(operations) && !HasFailure(); ++at) {
    const FaultPlan::Operation& operation = operations[static_cast<size_t>(at - 1)];
    if (!operation.name.starts_with("http.")) continue;
    for (const FaultKind kind : {FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore,
                                 FaultKind::kCrashAfter, FaultKind::kStall}) {
      const bool as_another = operation.effect == Effect::kRead && kind != FaultKind::kFailBefore && kind != FaultKind::kStall;
      if (long_sweep() || !as_another) run({{.at = at, .kind = kind}}, operations);
    }
  }
}

// A request without an answer is carried out when others have gone on: a commit that was given up, a creation that somebody else repeated.
TEST_P(RestSweep, EveryWriteLandsLate) {
  const Operations operations = run({});
  int writes = 0;
  for (int64_t at = 1; at <= std::ssize(operations) && !HasFailure(); ++at) {
    if (operations[static_cast<size_t>(at - 1)].name != "http.POST") continue;
    ++writes;
    for (const int late_by : {1, 2, 4, 8, 1000}) {
      const Fault late{.at = at, .kind = FaultKind::kUnknownLate, .late_by = late_by};
      run({late}, operations);
      run({late, {.at = at + 1, .kind = FaultKind::kCrashBefore}}, operations);
    }
  }
  EXPECT_GE(writes, 5) << "namespace, table, append, schema, append";
}

// Prevents a fence that holds only where the whole metadata is compared: a given-up commit in flight must not land beside the next batch.
TEST_P(RestSweep, ACommitInFlightNeverLandsBesideTheNextBatch) {
  for (int late_by = 1; late_by <= 12; ++late_by) {
    const std::vector<Fault> faults = {{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = late_by},
                                       {.at = 3, .kind = FaultKind::kCrashBefore, .operation = "ledger.last_committed"}};
    const Operations operations = run(faults, {}, load_given_up);
    EXPECT_EQ(std::ranges::count(operations, "catalog.commit!", &FaultPlan::Operation::name), 1) << "no commit was in flight";
  }
}

INSTANTIATE_TEST_SUITE_P(All, RestSweep, testing::Values(CatalogKind::kRest, CatalogKind::kRestWithoutHistory),
                         [](const auto& info) { return info.param == CatalogKind::kRest ? "Rest" : "RestWithoutHistory"; });

}  // namespace
}  // namespace sluice
