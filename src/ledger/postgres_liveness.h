// How others see that a worker lives, over PostgreSQL: a session of its own holds the advisory lock of its name, and keeps the note of
// what its threads have in hand. A thread owns the session; when it is lost (the server restarted) the thread takes the lock again.
// Thread-safe. While the lock is not held others may take our batches over: their epoch, not this class, keeps that harmless.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "sql/postgres.h"

namespace sluice {

/// After a start of the server, workers of the time before have this long to take their locks again before they count as dead.
inline constexpr std::chrono::seconds kComeBackWithin{10};

class PostgresLiveness {
 public:
  PostgresLiveness(PostgresOptions options, LedgerId ledger, WorkerId self);
  ~PostgresLiveness();
  PostgresLiveness(const PostgresLiveness&) = delete;
  PostgresLiveness& operator=(const PostgresLiveness&) = delete;

  /// Returns once our lock is held; the first call takes it. kUnavailable: the server cannot be reached;
  /// kCancelled: nor will we wait for it any longer (PostgresOptions::stop).
  Result<void> hold();
  /// Whether hold() was ever called.
  bool began() const;

  /// Soon in the ledger, together with others' notes; `at_once`: before it returns. Best effort. An empty path clears the slot.
  void note_in_hand(int slot, const BatchId& batch, std::string_view path, bool at_once);

  /// Inside a transaction of any connection.
  static Result<bool> is_dead(SqlConnection& db, const LedgerId& ledger, const WorkerId& worker);

 private:
  struct Note {
    std::string batch, path;
  };

  void run(std::stop_token stop);
  Result<std::unique_ptr<PostgresConnection>> take_lock();
  Result<void> write_notes(PostgresConnection& connection, const std::map<int, Note>& notes);

  const PostgresOptions options_;
  const LedgerId ledger_;
  const WorkerId self_;
  PostgresSession session_;  // the thread's, present or last
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool held_ = false;          // protected by mutex_, as all below
  std::string trouble_;        // why it is not held
  std::map<int, Note> notes_;  // of every slot, to be written again after a loss
  std::map<int, Note> unwritten_;
  int64_t noted_ = 0;  // counts notes, and those that are in the ledger or given up
  int64_t written_ = 0;
  std::jthread thread_;
};

}  // namespace sluice
