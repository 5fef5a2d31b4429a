// The ledger in a PostgreSQL database (in the current schema of its connections): workers on several hosts share it. Thread-safe: a few
// connections, one transaction each. Who of the workers lives shows by advisory locks. Its tables: postgres_schema.cc.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "ledger/postgres_liveness.h"
#include "ledger/sql_ledger.h"
#include "sql/postgres_pool.h"

namespace sluice {

/// Whose time leases and records are on.
enum class LedgerTime {
  kServer,  ///< the database server's: workers on hosts whose clocks differ agree on leases
  kGiven,   ///< that of the given clock, for tests
};

class PostgresLedger final : public SqlLedger {
 public:
  /// Opens the ledger of this database, or makes its tables. `worker` is the one whose claims this object makes, unique per process
  /// start; `clock` must outlive the ledger. Errors as PostgresConnection::open; kInvalidInput: a newer program's ledger.
  static Result<std::unique_ptr<PostgresLedger>> open(const std::string& uri, WorkerId worker, Clock& clock,
                                                      LedgerTime time = LedgerTime::kServer, std::stop_token stop = {});
  /// Whether open() would find a ledger; makes nothing.
  static Result<bool> exists(const std::string& uri);
  /// Whatever is not finished is left for take_over, as after a crash.
  ~PostgresLedger() override;

  LedgerId ledger_id() const override { return ledger_id_; }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId& ingestion, const SourceId& source) override;
  Result<std::unique_ptr<KnownFiles>> known_members(const IngestionId& ingestion, const SourceId& source,
                                                    const std::string& archive) override;
  Result<DiscoverResult> record_discovered(const DiscoverRequest& request, std::span<const Seen> files) override;
  Result<std::optional<ClaimedBatch>> claim(const ClaimRequest& request) override;
  Result<Lease> renew(const Lease& lease, std::chrono::microseconds duration) override;
  void note_in_hand(const Lease& lease, int slot, std::string_view path) override;

 protected:
  Result<void> run_write(Durability durability, const Body& body) override;
  Result<void> run_read(const Body& body) override;
  Timestamp now(SqlConnection& db) override;
  Result<void> hold_lock(const WorkerId& worker) override;
  Result<bool> is_dead(SqlConnection& db, const WorkerId& worker) override;
  Result<std::vector<std::string>> in_hand(SqlConnection& db, const WorkerId& worker, const BatchId& batch) override;
  std::string_view next_run_sequence() const override { return "DEFAULT"; }
  Result<void> insert_results(SqlConnection& db, const BatchId& batch, std::span<const FileResult> results) override;

 private:
  PostgresLedger(std::unique_ptr<PostgresPool> pool, WorkerId worker, Clock& clock, LedgerTime time);

  Result<void> prepare_tables(PostgresConnection& db);
  void remove_what_the_dead_left();
  void watch_closely(const ClaimedBatch& batch);

  const std::unique_ptr<PostgresPool> pool_;
  const WorkerId worker_;
  Clock& clock_;
  const LedgerTime time_;
  LedgerId ledger_id_;                          // constant after open
  std::unique_ptr<PostgresLiveness> liveness_;  // constant after open
  std::mutex mutex_;
  bool cleaned_ = false;         // protected by mutex_
  std::set<BatchId> suspected_;  // protected by mutex_: ours, with a file that may have killed a worker
};

}  // namespace sluice
