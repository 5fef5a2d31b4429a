#include "ledger/sqlite_ledger.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "ledger/sqlite_backup.h"
#include "ledger/sqlite_schema.h"
#include "sql/migrations.h"

namespace sluice {

SqliteLedger::SqliteLedger(std::string path, WorkerId worker, Clock& clock)
    : path_(std::move(path)),
      worker_(worker),
      clock_(clock),
      locks_(path_ + ".workers", std::move(worker)),
      readers_(path_, options(/*create=*/false)) {}

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::open(const std::string& path, WorkerId worker, Clock& clock) {
  std::unique_ptr<SqliteLedger> ledger(new SqliteLedger(path, std::move(worker), clock));
  if (auto ready = ledger->prepare_file(); !ready) return std::unexpected(ready.error().within("the ledger"));
  return ledger;
}

SqliteOptions SqliteLedger::options(bool create) {
  return {.wal = true,
          .create = create,
          .when_damaged =
              "; the ledger is damaged, so nothing is loaded with it. Ways out: `sluice restore` puts its last good copy in "
              "its place; or move it away and `sluice rebuild` each ingestion from its table"};
}

/// What is cheap at every start, and all of a file that somebody may have been cut off from while writing it.
Result<void> SqliteLedger::check_file() {
  std::error_code unknown;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path_, unknown));
  const bool small = !unknown && bytes <= kCheckedAtStartBytesMax;
  const bool after_death = !unknown && bytes <= kCheckedAfterDeathBytesMax && locks_.any_dead();
  return writer_->check_file(small || after_death ? FileCheck::kPages : FileCheck::kLength);
}

Result<void> SqliteLedger::prepare_file() {
  TRY_ASSIGN(writer_, SqliteConnection::open(path_, options(/*create=*/true)));
  TRY(check_file());
  TRY(migrate(*writer_, sqlite_ledger_migrations(), to_text(clock_.now())));
  const std::string find_id = "SELECT value FROM ledger_meta WHERE name = 'ledger_id'";
  TRY_ASSIGN(auto id, writer_->query_text(find_id));
  if (!id) {
    TRY(writer_->transact([&] {
      return writer_->execute("INSERT INTO ledger_meta (name, value) VALUES ('ledger_id', ?) ON CONFLICT DO NOTHING", new_uuid());
    }));
    TRY_ASSIGN(id, writer_->query_text(find_id));
  }
  ledger_id_ = LedgerId(id.value_or(""));
  return {};
}

Result<bool> SqliteLedger::back_up_if_due() {
  if (!is_backup_due(path_, clock_.now())) return false;
  // Through a connection of its own: writes do not wait for it, and copying leaves it with little memory for pages.
  TRY_ASSIGN(const auto connection, SqliteConnection::open(path_, options(/*create=*/false)));
  TRY(make_backup(*connection, path_));
  return true;
}

Result<std::string> SqliteLedger::restore(const std::string& path, Clock& clock) {
  const WorkerLocks locks(path + ".workers", WorkerId());
  if (locks.any_alive()) {
    return fail(ErrorCode::kConflict, fmt::format("{}: another process works with it; stop that first, nothing was changed", path));
  }
  return restore_backup(path, clock.now());
}

SqliteLedger::~SqliteLedger() {
  if (ledger_id_.text.empty()) return;  // it was never opened
  // Without anything to recover, our lock file tells nobody anything. In doubt it stays, for the next worker to remove.
  const auto left = writer_->query_integer(
      "SELECT (SELECT count(*) FROM batches WHERE holder = ?1 AND state IN ('STAGING', 'PREPARED', 'WITHDRAWING'))"
      " + (SELECT count(*) FROM runs WHERE holder = ?1 AND status = 'RUNNING')",
      worker_.text);
  if (left && *left == 0) locks_.retire();
}

Result<void> SqliteLedger::hold_lock(const WorkerId& worker) {
  if (worker != worker_) {
    return invalid_input(fmt::format("{}: opened for worker {}, asked to act for {}", path_, worker_.text, worker.text));
  }
  TRY_ASSIGN(const bool fresh, locks_.hold());
  if (fresh) remove_locks_of_the_dead();
  return {};
}

Result<void> SqliteLedger::run_write(Durability, const Body& body) {
  std::lock_guard guard(write_mutex_);
  return writer_->transact([&] { return body(*writer_); });
}

Result<void> SqliteLedger::run_read(const Body& body) {
  TRY_ASSIGN(const auto reader, readers_.lend());
  return reader->read_transact([&] { return body(*reader); });
}

void SqliteLedger::note_in_hand(const Lease& lease, int slot, std::string_view path) { locks_.note_in_hand(slot, lease.batch, path); }

Result<std::vector<std::string>> SqliteLedger::in_hand(SqlConnection&, const WorkerId& worker, const BatchId& batch) {
  std::vector<std::string> paths;
  for (InHand& held : locks_.in_hand(worker)) {
    if (held.batch == batch) paths.push_back(std::move(held.path));
  }
  return paths;
}

void SqliteLedger::remove_locks_of_the_dead() {
  std::lock_guard guard(write_mutex_);
  auto rows = writer_->query(
      "SELECT holder FROM batches WHERE state IN ('STAGING', 'PREPARED', 'WITHDRAWING') "
      "UNION SELECT holder FROM runs WHERE status = 'RUNNING'");
  std::set<std::string> needed;
  while (rows) {
    const auto more = rows->next();
    if (!more) return;
    if (!*more) break;
    needed.insert(WorkerLocks::file_name(WorkerId(rows->text(0))));
  }
  if (!rows) return;
  for (const std::string& name : locks_.names()) {
    if (!needed.contains(name)) locks_.remove_if_dead(name);
  }
}

}  // namespace sluice
