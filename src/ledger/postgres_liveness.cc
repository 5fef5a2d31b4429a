#include "ledger/postgres_liveness.h"

#include <fmt/format.h>

#include <algorithm>

#include "sql/postgres_pool.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTakeAgainFirst{20};
constexpr milliseconds kTakeAgainMax{1000};
constexpr milliseconds kLookAtConnectionEvery{500};
// Notes of tiny files are gathered for this long: a statement for each would cost more than reading them.
constexpr milliseconds kGatherNotes{2};

// The lock of a worker of this ledger; several ledgers may share a database.
std::string lock_key(const LedgerId& ledger, const WorkerId& worker) { return fmt::format("sluice {} {}", ledger.text, worker.text); }

}  // namespace

PostgresLiveness::PostgresLiveness(PostgresOptions options, LedgerId ledger, WorkerId self)
    : options_(std::move(options)), ledger_(std::move(ledger)), self_(std::move(self)) {}

PostgresLiveness::~PostgresLiveness() {
  thread_.request_stop();
  changed_.notify_all();
}

bool PostgresLiveness::began() const {
  std::lock_guard lock(mutex_);
  return thread_.joinable();
}

Result<void> PostgresLiveness::hold() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  if (changed_.wait_for(lock, options_.stop, kPostgresOutageMax, [&] { return held_; })) return {};
  if (options_.stop.stop_requested()) return fail(ErrorCode::kCancelled, fmt::format("{}; stopped on request", trouble_));
  return fail(ErrorCode::kUnavailable, fmt::format("{}; workers show by a lock there that they live", trouble_));
}

void PostgresLiveness::note_in_hand(int slot, const BatchId& batch, std::string_view path, bool at_once) {
  std::unique_lock lock(mutex_);
  const Note note{batch.text, std::string(path)};
  notes_[slot] = note;
  unwritten_[slot] = note;
  const int64_t mine = ++noted_;
  if (unwritten_.size() == 1 || at_once) changed_.notify_all();
  if (at_once) changed_.wait_for(lock, options_.stop, kPostgresOutageMax, [&] { return written_ >= mine || !held_; });
}

Result<bool> PostgresLiveness::is_dead(SqlConnection& db, const LedgerId& ledger, const WorkerId& worker) {
  // A shared lock, for as long as the transaction: several may look at once, and the worker itself waits if it is just coming to life.
  TRY_ASSIGN(const auto free,
             db.query_integer("SELECT pg_try_advisory_xact_lock_shared(hashtextextended(?1, 0)) AND NOT EXISTS (SELECT 1 FROM workers "
                              "WHERE id = ?2 AND held_since < pg_postmaster_start_time() AND clock_timestamp() < "
                              "pg_postmaster_start_time() + make_interval(secs => ?3))",
                              lock_key(ledger, worker), worker.text, kComeBackWithin.count()));
  return free == 1;
}

/// A fresh session that holds our lock.
Result<std::unique_ptr<PostgresConnection>> PostgresLiveness::take_lock() {
  TRY_ASSIGN(auto connection, PostgresConnection::open(options_));
  // A lost note or sign of life does no harm that a lost acknowledgement would not do as well.
  TRY(connection->run_script("SET synchronous_commit = off"));
  // The session of before may still hold the lock; while somebody looks at it, too, this waits for a moment.
  connection->end_session(std::exchange(session_, connection->session()));
  TRY(connection->query("SELECT pg_advisory_lock(hashtextextended(?, 0))", lock_key(ledger_, self_)));
  TRY(
      connection->execute("INSERT INTO workers (id, held_since) VALUES (?, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET "
                          "held_since = excluded.held_since",
                          self_.text));
  return connection;
}

Result<void> PostgresLiveness::write_notes(PostgresConnection& connection, const std::map<int, Note>& notes) {
  PostgresArray slots, batches, paths;
  for (const auto& [slot, note] : notes) {
    slots.add(int64_t{slot});
    batches.add(note.batch);
    paths.add(note.path);
  }
  TRY(
      connection.execute("INSERT INTO files_in_hand (worker_id, slot, batch_id, file_path) SELECT ?, n.* FROM "
                         "unnest(CAST(? AS integer[]), CAST(? AS text[]), CAST(? AS text[])) AS n ON CONFLICT (worker_id, slot) DO UPDATE "
                         "SET batch_id = excluded.batch_id, file_path = excluded.file_path",
                         self_.text, slots.text(), batches.text(), paths.text()));
  return {};
}

void PostgresLiveness::run(std::stop_token stop) {
  std::unique_ptr<PostgresConnection> connection;
  milliseconds wait = kTakeAgainFirst;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (connection == nullptr) {
      lock.unlock();
      auto taken = take_lock();
      lock.lock();
      if (taken) {
        connection = *std::move(taken);
        wait = kTakeAgainFirst;
        unwritten_ = notes_;
      } else {
        trouble_ = taken.error().message;
        changed_.wait_for(lock, stop, std::exchange(wait, std::min(wait * 2, kTakeAgainMax)), [] { return false; });
        continue;
      }
    }
    held_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, stop, kLookAtConnectionEvery, [&] { return !unwritten_.empty(); });
    const auto notes = std::exchange(unwritten_, {});
    const int64_t upto = noted_;
    lock.unlock();
    bool alive = connection->seems_alive();
    if (alive && !notes.empty()) alive = write_notes(*connection, notes).has_value() || !connection->lost();
    if (!alive) connection.reset();
    lock.lock();
    held_ = alive;
    written_ = upto;
    if (!notes.empty()) {
      changed_.notify_all();
      changed_.wait_for(lock, stop, kGatherNotes, [&] { return stop.stop_requested(); });
    }
  }
  held_ = false;
  const auto notes = std::exchange(unwritten_, {});
  lock.unlock();
  if (!connection) return;
  // A file that ends its worker in an orderly way, by an exception, is to blame like any other.
  if (!notes.empty()) static_cast<void>(write_notes(*connection, notes));
  // The session would end a moment after us; who comes next need not wait for it.
  static_cast<void>(connection->query("SELECT pg_advisory_unlock(hashtextextended(?, 0))", lock_key(ledger_, self_)));
}

}  // namespace sluice
