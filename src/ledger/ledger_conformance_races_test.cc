// Two workers at once on one ledger, for every ledger.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

// Prevents: two processes that discover the same folder at once recording its files twice, or one of them failing.
TEST_P(LedgerConformance, RacingDiscoveriesRecordEachFileOnce) {
  constexpr int kFiles = 200;
  std::vector<Seen> fresh, changed;
  for (int i = 0; i < kFiles; ++i) {
    fresh.push_back(seen("/f" + std::to_string(i), "v1"));
    changed.push_back(seen("/f" + std::to_string(i), "v2", "v1"));
  }
  Worker b = join("b");
  std::atomic<int64_t> added = 0, moved = 0, lost = 0;
  const auto record = [&](Worker& worker, const std::vector<Seen>& files) {
    for (int i = 0; i < kFiles; i += 20) {
      const auto result = must(worker.work().record_discovered(discovery(), std::span(files).subspan(static_cast<size_t>(i), 20)));
      added += result.added;
      moved += result.changed;
      lost += result.lost_race;
    }
  };
  for (const auto& files : {fresh, changed}) {
    std::jthread first([&] { record(a_, files); });
    std::jthread second([&] { record(b, files); });
  }
  EXPECT_EQ(added, kFiles);
  EXPECT_EQ(moved, kFiles);
  EXPECT_EQ(lost, 2 * kFiles);
}

// Prevents: one file in the batches of two workers.
TEST_P(LedgerConformance, RacingClaimsTakeEachFileOnce) {
  constexpr size_t kFiles = 60;
  std::vector<std::string> paths;
  for (size_t i = 0; i < kFiles; ++i) paths.push_back("/f" + std::to_string(i));
  discover_new(paths);
  Worker b = join("b");
  std::mutex mutex;
  std::multiset<std::string> taken;
  const auto take_all = [&](Worker& worker) {
    while (true) {
      ClaimRequest wanted = request(worker, run_);
      wanted.limits.files_max = 4;
      const auto batch = must(worker.work().claim(wanted));
      if (!batch) return;
      std::lock_guard guard(mutex);
      for (const ClaimedFile& file : batch->files) taken.insert(file.path);
    }
  };
  {
    std::jthread first([&] { take_all(a_); });
    std::jthread second([&] { take_all(b); });
  }
  EXPECT_EQ(taken.size(), kFiles);
  EXPECT_EQ(std::set<std::string>(taken.begin(), taken.end()).size(), kFiles);
}

// Prevents: two workers that recover at once both owning the dead one's batch.
TEST_P(LedgerConformance, RacingTakeoversHaveOneWinner) {
  for (int round = 0; round < 5; ++round) {
    discover_new({"/f" + std::to_string(round)});
    Worker dead = join("dead" + std::to_string(round));
    claim(dead);
    dead.die();
    Worker b = join("b");
    std::atomic<int> winners = 0;
    const auto take = [&](Worker& worker) {
      if (must(worker.work().take_over(ingestion_, worker.id, kLease))) ++winners;
    };
    {
      std::jthread first([&] { take(a_); });
      std::jthread second([&] { take(b); });
    }
    EXPECT_EQ(winners, 1);
    for (const BatchRecord& live : must(a_.work().live_batches(ingestion_))) {
      Worker& winner = live.holder == a_.id ? a_ : b;
      const Lease lease{.batch = live.id, .ingestion = ingestion_, .epoch = live.epoch, .holder = live.holder};
      must(winner.work().finish_withdraw(lease, "x", true));
      must(a_.work().forget(ingestion_, std::vector{"/f" + std::to_string(round)}));
    }
  }
}

}  // namespace
}  // namespace sluice
