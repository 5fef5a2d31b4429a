// A world whose store, ledger and catalog fail as a plan says, the small life that sweeps lead in it, and what must hold afterwards.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fault_plan.h"
#include "faulty_catalog.h"
#include "faulty_rows.h"
#include "faulty_store.h"
#include "ledger/work_ledger.h"
#include "world/world.h"

namespace sluice {

/// A sweep after it is a batch's last.
inline constexpr auto kAfterLastSweep = kSweepAgainAfter + std::chrono::hours(1);

/// Under SLUICE_TEST_LONG=1: what is thinned out otherwise runs whole.
bool long_sweep();

/// Of so many cases a sweep runs one, from a random one on: SLUICE_TEST_STRIDE, 1 under long_sweep(). For sanitizers, which are slow and
/// look for other bugs.
int64_t sweep_stride();

/// Whether a fault there is a case of its own while one thread works, under long_sweep() always. A read that fails looks the same before
/// and after; a process that dies before a read or after an operation leaves what it leaves when it dies before its next change. After
/// changes of the catalog, the points of no return, it dies all the same.
bool is_own_case(FaultKind kind, const FaultPlan::Operation& operation);

/// What a catalog compares: the whole metadata (SQL), or what a change requires (REST); and whether it shows more than the newest snapshot.
enum class CatalogKind { kSql, kRest, kRestWithoutHistory };

/// Whichever process uses them, store, ledger and catalog are these: requests outlive the process that sent them.
class FaultyWorld {
 public:
  explicit FaultyWorld(std::vector<Fault> faults, int threads = 1, CatalogKind kind = CatalogKind::kSql);

  /// A process starts, runs once and ends, or dies where the plan says.
  Result<RunReport> run();

  /// The same, while another process without faults of its own runs again and again on the same ledger, store and catalog until this one
  /// has ended.
  void run_beside_another();

  /// Processes start until one finds nothing left to do.
  void run_until_quiet();

  /// Requests that nobody waits for any more arrive.
  void land_all();

  /// `sluice retry`: a file that was in hand whenever its worker lost its lease counts as one that kills workers.
  void retry_failed();

  FaultPlan& plan() { return plan_; }
  bool objects_vanish = false;                                 ///< recovery finds staged objects missing
  std::multiset<int64_t> expected = {1, 2, 3, 5, 6, 7, 8, 9};  ///< ids in the table once all is loaded

  World world;

 private:
  std::unique_ptr<Catalog> open_inner(CatalogKind kind);
  std::vector<Fault> with_stalls(std::vector<Fault> faults);
  Result<RunReport> run_process(const RunOptions& options = {});
  void after_the_process();

  FaultPlan plan_;
  const int threads_;
  FaultyStore store_;
  SingleStore stores_;
  LateRequests late_below_;  // of the catalog's own requests: statements or HTTP
  const std::unique_ptr<CatalogRows> inner_rows_;
  const std::unique_ptr<Catalog> inner_catalog_;
  FaultyCatalog catalog_;
};

using Life = std::function<void(FaultyWorld&)>;

/// Two files and a broken one.
void put_first_files(World& world);
/// A new column, and a file that changed: ids are never used again, so a doubled row shows.
void put_second_files(World& world);
/// For a first process that dies while it publishes: the second one gives its batch up.
void load_given_up(FaultyWorld& faulty);
/// The first files, loaded; then the second ones.
void two_loads(FaultyWorld& faulty);

/// A life under the faults, then processes without any until all is quiet, a day later the last sweep, and the invariants.
/// Returns the operations that were counted before the quiet.
std::vector<FaultPlan::Operation> run_case(const std::vector<Fault>& faults, const std::string& when, const Life& life, int threads = 1,
                                           CatalogKind kind = CatalogKind::kSql);

/// "crash before at operation 7 (store.put)": what fired, of the operations that were counted.
std::string name_of(const std::vector<Fault>& faults, const std::vector<FaultPlan::Operation>& operations);

}  // namespace sluice
