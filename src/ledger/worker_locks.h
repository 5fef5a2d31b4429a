// One lock file per worker, held (flock) while its process lives, so that a dead worker is known at once; and in it the files that its
// threads have in hand. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace sluice {

/// Threads of one process that can note what they read; notes of further ones are dropped.
inline constexpr int kInHandSlotsMax = 1024;

/// A file that a worker was reading for a batch.
struct InHand {
  BatchId batch;
  std::string path;
};

class WorkerLocks {
 public:
  /// `folder` is made when the first lock is taken.
  WorkerLocks(std::string folder, WorkerId self) : folder_(std::move(folder)), self_(std::move(self)) {}
  ~WorkerLocks();
  WorkerLocks(const WorkerLocks&) = delete;
  WorkerLocks& operator=(const WorkerLocks&) = delete;

  /// Takes our own lock; from here on others see that we live. Returns whether it was not held before.
  Result<bool> hold();
  /// Best effort: an empty path clears the slot.
  void note_in_hand(int slot, const BatchId& batch, std::string_view path);

  /// Whether nobody holds the worker's lock. In doubt (no right to look) it lives.
  bool is_dead(const WorkerId& worker) const;
  /// Whether some lock file is held; whether some is left by a worker that died.
  bool any_alive() const;
  bool any_dead() const;
  /// What a worker noted last.
  std::vector<InHand> in_hand(const WorkerId& worker) const;

  /// Names of lock files, as file_name() makes them.
  std::vector<std::string> names() const;
  static std::string file_name(const WorkerId& worker);
  /// Removes a lock file that nobody holds.
  void remove_if_dead(const std::string& name) const;
  /// Lets our lock go and removes its file: nothing of ours is left to recover.
  void retire();

 private:
  bool is_held(const std::string& name) const;
  std::string path_of(const WorkerId& worker) const { return folder_ + "/" + file_name(worker); }

  const std::string folder_;
  const WorkerId self_;
  std::mutex mutex_;            // hold() and retire()
  std::atomic<int> file_ = -1;  // our own, locked
};

}  // namespace sluice
