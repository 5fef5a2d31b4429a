// The ledger in one SQLite file. Thread-safe: writes go one at a time through one connection, questions through others, so they do not
// wait for writes of other processes. Several processes share the file; who of them lives shows in `<file>.workers/`. Its tables:
// sqlite_schema.cc.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/units.h"
#include "ledger/sql_ledger.h"
#include "ledger/sqlite_readers.h"
#include "ledger/worker_locks.h"
#include "sql/sqlite.h"

namespace sluice {

/// A file up to this long is checked page by page at every start (some 10 ms); a longer one when a worker died over it.
inline constexpr int64_t kCheckedAtStartBytesMax = 8 * kMiB;
/// And one longer than this never at the start (seconds): what is wrong with it shows when a page is read, or when it is backed up.
inline constexpr int64_t kCheckedAfterDeathBytesMax = 512 * kMiB;

class SqliteLedger final : public SqlLedger {
 public:
  /// Opens or makes the file (its folder must exist). `worker` is the one whose claims this object makes, unique per process start;
  /// `clock` must outlive the ledger. kCorruption: the file is damaged or no database (the message names
  /// the ways out); kInvalidInput: another program's or a newer program's: left as it is.
  static Result<std::unique_ptr<SqliteLedger>> open(const std::string& path, WorkerId worker, Clock& clock);
  /// See restore_backup(). kConflict: a worker lives that has the ledger open for writing.
  static Result<std::string> restore(const std::string& path, Clock& clock);
  /// Whatever is not finished is left for take_over, as after a crash.
  ~SqliteLedger() override;

  LedgerId ledger_id() const override { return ledger_id_; }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) override;
  Result<std::unique_ptr<KnownFiles>> known_members(const IngestionId& ingestion, const SourceId& source,
                                                    const std::string& archive) override;
  Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) override;
  void note_in_hand(const Lease& lease, int slot, std::string_view path) override;
  /// See sqlite_backup.h.
  Result<bool> back_up_if_due() override;

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
  Result<void> check_file();
  static SqliteOptions options(bool create);
  void remove_locks_of_the_dead();

  const std::string path_;
  const WorkerId worker_;
  Clock& clock_;
  LedgerId ledger_id_;  // constant after open
  WorkerLocks locks_;
  std::mutex write_mutex_;
  std::unique_ptr<SqliteConnection> writer_;  // protected by write_mutex_
  SqliteReaders readers_;
};

}  // namespace sluice
