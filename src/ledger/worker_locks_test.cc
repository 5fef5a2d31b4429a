#include "ledger/worker_locks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "model/file.h"

namespace sluice {
namespace {

class WorkerLocksTest : public testing::Test {
 protected:
  WorkerLocksTest() {
    folder_ = testing::TempDir() + "worker_locks_XXXXXX";
    mkdtemp(folder_.data());
  }
  ~WorkerLocksTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  const WorkerId self_{"host:12:0190/é"}, other_{"host:13:0191"};
};

// Prevents: a living worker taken for dead, or a dead one waited for; also when both are in one process.
TEST_F(WorkerLocksTest, AWorkerLivesWhileItHoldsItsLock) {
  WorkerLocks observer(folder_, other_);
  EXPECT_TRUE(observer.is_dead(self_));
  {
    WorkerLocks locks(folder_, self_);
    ASSERT_TRUE(locks.hold().value());
    EXPECT_FALSE(locks.hold().value());
    EXPECT_FALSE(observer.is_dead(self_));
    EXPECT_FALSE(locks.is_dead(self_));
  }
  EXPECT_TRUE(observer.is_dead(self_));
}

// Prevents: notes of one thread written over another's, of long paths cut, of finished files kept.
TEST_F(WorkerLocksTest, NotesOutliveTheirWorker) {
  const std::string longest(kFilePathBytesMax, 'x');
  {
    WorkerLocks locks(folder_, self_);
    locks.note_in_hand(0, BatchId("b"), "/before the lock is held: dropped");
    ASSERT_TRUE(locks.hold());
    locks.note_in_hand(7, BatchId("b"), longest);
    locks.note_in_hand(0, BatchId("b"), "/done");
    locks.note_in_hand(2, BatchId("c"), "/a");
    locks.note_in_hand(0, BatchId("b"), "");
    locks.note_in_hand(-1, BatchId("b"), "/x");
    locks.note_in_hand(kInHandSlotsMax, BatchId("b"), "/x");
    locks.note_in_hand(1, BatchId("b"), longest + "x");
  }
  const auto found = WorkerLocks(folder_, other_).in_hand(self_);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].batch, BatchId("c"));
  EXPECT_EQ(found[0].path, "/a");
  EXPECT_EQ(found[1].path, longest);
}

// Prevents: a clean-up that removes the lock file of a worker that is just starting: it would look dead for the rest of its life.
TEST_F(WorkerLocksTest, ACleanUpDoesNotRobAStartingWorker) {
  std::jthread cleaner([&](std::stop_token stop) {
    const WorkerLocks locks(folder_, other_);
    while (!stop.stop_requested()) {
      for (const std::string& name : locks.names()) locks.remove_if_dead(name);
    }
  });
  const WorkerLocks observer(folder_, other_);
  for (int i = 0; i < 200; ++i) {
    WorkerLocks locks(folder_, self_);
    ASSERT_TRUE(locks.hold());
    ASSERT_FALSE(observer.is_dead(self_)) << "start " << i;
  }
}

// Prevents: lock files that pile up.
TEST_F(WorkerLocksTest, RetiringRemovesTheFile) {
  WorkerLocks locks(folder_, self_);
  ASSERT_TRUE(locks.hold());
  EXPECT_EQ(locks.names(), std::vector<std::string>{WorkerLocks::file_name(self_)});
  locks.retire();
  EXPECT_TRUE(locks.names().empty());
}

}  // namespace
}  // namespace sluice
