// The same faults while several threads work: several readers in one process, and a second process at work on the same ledger, store and
// catalog all the time. Which operation is the N-th differs from run to run; what must hold afterwards does not. The bug that each case
// prevents: an interleaving of real threads that doubles rows, loses them, contradicts the ledger or leaves objects behind.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "crash_sweep.h"

namespace sluice {
namespace {

constexpr int kReaders = 4;
// Of the operations that fail, from a random one on; in long sweeps all fail.
constexpr int64_t kStrideOfReaders = 8;
constexpr int64_t kStrideBeside = 20;  // each case is two processes
constexpr int64_t kOperationsMin = 50;

void put_more_files(FaultyWorld& faulty) {
  for (int64_t id = 20; id < 26; ++id) {
    faulty.world.put(fmt::format("more{}.json", id), {id});
    faulty.expected.insert(id);
  }
}

void load_with_readers(FaultyWorld& faulty) {
  put_more_files(faulty);
  two_loads(faulty);
}

/// Batches of two files, so that both processes have work.
void load_beside_another(FaultyWorld& faulty) {
  faulty.world.ingestion.batch.files_max = 2;
  put_more_files(faulty);
  put_first_files(faulty.world);
  faulty.run_beside_another();
  put_second_files(faulty.world);
  faulty.run_beside_another();
  faulty.retry_failed();
}

/// One fault after the other until a life passes untouched.
void sweep(FaultKind kind, const Life& life, int64_t stride) {
  stride = long_sweep() ? 1 : stride * sweep_stride();
  const int64_t first = 1 + static_cast<int64_t>(std::random_device()() % static_cast<uint64_t>(stride));
  int cases = 0;
  for (int64_t at = first;; at += stride, ++cases) {
    const std::string when = fmt::format("{} at operation {}", to_string(kind), at);
    SCOPED_TRACE(when);
    const auto operations = run_case({{.at = at, .kind = kind}}, when, life, kReaders);
    const auto failed = std::ranges::find_if(operations, [](const auto& operation) { return operation.name.ends_with('!'); });
    if (failed == operations.end() && at > kOperationsMin) break;
    ASSERT_FALSE(testing::Test::HasFailure()) << "the fault was in " << (failed == operations.end() ? "none" : failed->name);
  }
  testing::Test::RecordProperty("cases", cases);
}

class ConcurrentSweep : public testing::TestWithParam<FaultKind> {};

// Bug: one reader dies or loses an answer while others are in the middle of their files: half a file admitted, a file of nobody.
TEST_P(ConcurrentSweep, SeveralReaders) { sweep(GetParam(), load_with_readers, kStrideOfReaders); }

// Bug: a worker that fails while another one claims, evolves, publishes, sweeps or takes over at that very moment.
TEST_P(ConcurrentSweep, AnotherProcessAtWork) { sweep(GetParam(), load_beside_another, kStrideBeside); }

INSTANTIATE_TEST_SUITE_P(All, ConcurrentSweep,
                         testing::Values(FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownLate, FaultKind::kCrashBefore,
                                         FaultKind::kStall),
                         [](const auto& info) { return name_of_kind(info.param); });

}  // namespace
}  // namespace sluice
