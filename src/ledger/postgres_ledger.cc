#include "ledger/postgres_ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "ledger/postgres_schema.h"
#include "sql/migrations.h"

namespace sluice {
namespace {

// Of workers that have nothing to recover.
constexpr std::string_view kDoneWith =
    "NOT EXISTS (SELECT 1 FROM batches b WHERE b.holder = {0} AND b.state IN ('STAGING', 'PREPARED', 'WITHDRAWING')) "
    "AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.holder = {0} AND r.status = 'RUNNING')";

}  // namespace

PostgresLedger::PostgresLedger(std::unique_ptr<PostgresPool> pool, WorkerId worker, Clock& clock, LedgerTime time)
    : pool_(std::move(pool)), worker_(std::move(worker)), clock_(clock), time_(time) {}

Result<std::unique_ptr<PostgresLedger>> PostgresLedger::open(const std::string& uri, WorkerId worker, Clock& clock, LedgerTime time,
                                                             std::stop_token stop) {
  auto pool = PostgresPool::open({.uri = uri, .stop = std::move(stop)});
  if (!pool) return std::unexpected(pool.error().within("the ledger"));
  std::unique_ptr<PostgresLedger> ledger(new PostgresLedger(*std::move(pool), std::move(worker), clock, time));
  auto ready = ledger->pool_->use([&](PostgresConnection& db) { return ledger->prepare_tables(db); });
  if (!ready) return std::unexpected(ready.error().within("the ledger"));
  return ledger;
}

Result<bool> PostgresLedger::exists(const std::string& uri) {
  auto connection = PostgresConnection::open({.uri = uri});
  if (!connection) return std::unexpected(connection.error().within("the ledger"));
  TRY_ASSIGN(const auto there, (*connection)->query_integer("SELECT to_regclass('ledger_meta') IS NOT NULL"));
  return there == 1;
}

Result<void> PostgresLedger::prepare_tables(PostgresConnection& db) {
  TRY(migrate(db, postgres_ledger_migrations(), to_text(clock_.now())));
  const std::string find_id = "SELECT value FROM ledger_meta WHERE name = 'ledger_id'";
  TRY_ASSIGN(auto id, db.query_text(find_id));
  if (!id) {
    TRY(db.transact(
        [&] { return db.execute("INSERT INTO ledger_meta (name, value) VALUES ('ledger_id', ?) ON CONFLICT DO NOTHING", new_uuid()); }));
    TRY_ASSIGN(id, db.query_text(find_id));
  }
  ledger_id_ = LedgerId(id.value_or(""));
  PostgresOptions patient = pool_->options();
  patient.patient = true;
  liveness_ = std::make_unique<PostgresLiveness>(std::move(patient), ledger_id_, worker_);
  return {};
}

PostgresLedger::~PostgresLedger() {
  if (liveness_ == nullptr || !liveness_->began()) return;
  liveness_.reset();
  // Without anything to recover, our name tells nobody anything. In doubt it stays, for the next worker to remove.
  static_cast<void>(pool_->use([&](PostgresConnection& db) {
    return db.transact([&]() -> Result<void> {
      TRY(db.execute("DELETE FROM files_in_hand WHERE worker_id = ?1 AND " + fmt::format(kDoneWith, "worker_id"), worker_.text));
      TRY(db.execute("DELETE FROM workers WHERE id = ?1 AND " + fmt::format(kDoneWith, "workers.id"), worker_.text));
      return {};
    });
  }));
}

Result<void> PostgresLedger::run_write(Durability durability, const Body& body) {
  return pool_->write([&](PostgresConnection& db) { return body(db); },
                      durability == Durability::kDurable ? PostgresDurability::kDurable : PostgresDurability::kMayBeLost);
}

Result<void> PostgresLedger::run_read(const Body& body) {
  return pool_->read([&](PostgresConnection& db) { return body(db); });
}

Timestamp PostgresLedger::now(SqlConnection& db) {
  return time_ == LedgerTime::kGiven ? clock_.now() : static_cast<PostgresConnection&>(db).begun_at();
}

Result<void> PostgresLedger::hold_lock(const WorkerId& worker) {
  if (worker != worker_) {
    return invalid_input(fmt::format("{}: opened for worker {}, asked to act for {}", pool_->name(), worker_.text, worker.text));
  }
  TRY(liveness_->hold());
  std::unique_lock lock(mutex_);
  if (std::exchange(cleaned_, true)) return {};
  lock.unlock();
  remove_what_the_dead_left();
  return {};
}

/// Names of workers that died with nothing to recover. Best effort.
void PostgresLedger::remove_what_the_dead_left() {
  static_cast<void>(write(
      "removing names of the dead",
      [&](SqlConnection& db) -> Result<void> {
        TRY_ASSIGN(auto rows, db.query("SELECT id FROM workers WHERE " + fmt::format(kDoneWith, "workers.id")));
        std::vector<std::string> names;
        while (true) {
          TRY_ASSIGN(const bool more, rows.next());
          if (!more) break;
          names.push_back(rows.text(0));
        }
        for (const std::string& name : names) {
          TRY_ASSIGN(const bool dead, is_dead(db, WorkerId(name)));
          if (!dead) continue;
          TRY(db.execute("DELETE FROM files_in_hand WHERE worker_id = ?", name));
          TRY(db.execute("DELETE FROM workers WHERE id = ?", name));
        }
        return {};
      },
      Durability::kMayBeLost));
}

Result<bool> PostgresLedger::is_dead(SqlConnection& db, const WorkerId& worker) {
  return PostgresLiveness::is_dead(db, ledger_id_, worker);
}

Result<std::vector<std::string>> PostgresLedger::in_hand(SqlConnection& db, const WorkerId& worker, const BatchId& batch) {
  TRY_ASSIGN(auto rows, db.query("SELECT file_path FROM files_in_hand WHERE worker_id = ? AND batch_id = ? AND file_path <> ''",
                                 worker.text, batch.text));
  std::vector<std::string> paths;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return paths;
    paths.push_back(rows.text(0));
  }
}

/// Notes reach the ledger a few milliseconds late, which is too late for a file that kills its worker at once. Where an attempt has come
/// to nothing before, each file is noted before it is read: the second death names it.
void PostgresLedger::watch_closely(const ClaimedBatch& batch) {
  if (std::ranges::none_of(batch.files, [](const ClaimedFile& file) { return file.attempts > 1; })) return;
  std::lock_guard lock(mutex_);
  suspected_.insert(batch.lease.batch);
}

Result<std::optional<ClaimedBatch>> PostgresLedger::claim(const ClaimRequest& request) {
  auto claimed = SqlLedger::claim(request);
  if (claimed && *claimed) watch_closely(**claimed);
  return claimed;
}

Result<Lease> PostgresLedger::renew(const Lease& lease, std::chrono::microseconds duration) {
  // Who lost its lock takes it again before it goes on.
  TRY(liveness_->hold());
  return SqlLedger::renew(lease, duration);
}

void PostgresLedger::note_in_hand(const Lease& lease, int slot, std::string_view path) {
  bool at_once = false;
  {
    std::lock_guard lock(mutex_);
    at_once = suspected_.contains(lease.batch) && !path.empty();
  }
  liveness_->note_in_hand(slot, lease.batch, path, at_once);
}

}  // namespace sluice
