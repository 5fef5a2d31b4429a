// Other small lives under faults: Parquet objects (rule S), members of an archive, both. Every operation goes wrong in every way;
// afterwards each file that is done has its rows or its object, of its version, and there is nothing else. The bug that each case prevents:
// an interleaving that loses an object or a member, leaves an old one where a new one belongs, loads one twice because its archive was
// opened twice, or stops for good at what a dead worker left.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crash_sweep.h"
#include "world/small_zip.h"

namespace sluice {
namespace {

void two_conversions(FaultyWorld& faulty) {
  faulty.world.use_objects();
  two_loads(faulty);
}

/// In the second archive one member changed, one is as it was, one is new.
void an_archive_twice(FaultyWorld& faulty) {
  faulty.world.put_text("a.zip", small_zip({{"x.json", "{\"id\": 1}\n{\"id\": 2}\n"}, {"y.json", "{\"id\": 3}\n"}}));
  (void)faulty.run();
  faulty.world.put_text("a.zip", small_zip({{"x.json", "{\"id\": 5}\n{\"id\": 6}\n{\"id\": 7}\n"},
                                            {"y.json", "{\"id\": 3}\n"},
                                            {"z.json", "{\"id\": 8}\n{\"id\": 9}\n"}}));
  (void)faulty.run();
}

void an_archive_converted_twice(FaultyWorld& faulty) {
  faulty.world.use_objects();
  an_archive_twice(faulty);
}

struct NamedLife {
  const char* name;
  void (*lead)(FaultyWorld&);
  const char* does;  ///< an operation without which the life would not be what it says
};

class LifeSweep : public testing::TestWithParam<std::tuple<NamedLife, FaultKind>> {};

// Bug: there is one operation whose failure, lost answer, crash or stall leaves ledger and target apart.
TEST_P(LifeSweep, EveryOperationOnce) {
  const auto& [life, kind] = GetParam();
  Sweep sweep(case_of(life.lead));
  ASSERT_GT(sweep.count(), 40);
  ASSERT_TRUE(sweep.does(life.does));
  sweep.run_each(kind);
}

INSTANTIATE_TEST_SUITE_P(All, LifeSweep,
                         testing::Combine(testing::Values(NamedLife{"Objects", two_conversions, "store.put"},
                                                          NamedLife{"Archive", an_archive_twice, "ledger.known_members"},
                                                          NamedLife{"ArchiveObjects", an_archive_converted_twice, "ledger.claim_keys"}),
                                          testing::Values(FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout,
                                                          FaultKind::kCrashBefore, FaultKind::kCrashAfter, FaultKind::kStall)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name, name_of_kind(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace sluice
