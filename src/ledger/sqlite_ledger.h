// The ledger in one SQLite file. Thread-safe: writes go one at a time through one connection, questions through another, so they do not
// wait for writes of other processes. Several processes share the file; who of them lives shows in `<file>.workers/`. Its tables:
// sqlite_schema.cc.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "ledger/sql_ledger.h"
#include "ledger/worker_locks.h"
#include "sql/sqlite.h"

namespace sluice {

class SqliteLedger final : public SqlLedger {
 public:
  /// Opens or makes the file (its folder must exist). `worker` is the one whose claims this object makes, unique per process start;
  /// `clock` must outlive the ledger. kCorruption: the file is damaged or no database; kInvalidInput: another program's or a newer
  /// program's: left as it is.
  static Result<std::unique_ptr<SqliteLedger>> open(const std::string& path, WorkerId worker, Clock& clock);
  /// Whatever is not finished is left for take_over, as after a crash.
  ~SqliteLedger() override;

  LedgerId ledger_id() const override { return ledger_id_; }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) override;
  Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) override;
  void note_in_hand(const Lease& lease, int slot, std::string_view path) override;

 protected:
  Result<void> run_write(Durability durability, const Body& body) override;
  Result<void> run_read(const Body& body) override;
  Timestamp now(SqlConnection&) override { return clock_.now(); }
  Result<void> hold_lock(const WorkerId& worker) override;
  Result<bool> is_dead(SqlConnection&, const WorkerId& worker) override { return locks_.is_dead(worker); }
  Result<std::vector<std::string>> in_hand(SqlConnection& db, const WorkerId& worker, const BatchId& batch) override;
  std::string_view next_run_sequence() const override { return "(SELECT COALESCE(max(sequence), 0) + 1 FROM runs)"; }
  Result<void> insert_results(SqlConnection& db, const BatchId& batch, std::span<const FileResult> results) override;

 private:
  SqliteLedger(std::string path, WorkerId worker, Clock& clock);

  Result<void> prepare_file();
  void remove_locks_of_the_dead();

  const std::string path_;
  const WorkerId worker_;
  Clock& clock_;
  LedgerId ledger_id_;  // constant after open
  WorkerLocks locks_;
  std::mutex write_mutex_;
  std::unique_ptr<SqliteConnection> writer_;  // protected by write_mutex_
  std::mutex read_mutex_;
  std::unique_ptr<SqliteConnection> reader_;  // protected by read_mutex_
};

}  // namespace sluice
