#include "crash_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "faulty_http.h"
#include "faulty_ledger.h"
#include "iceberg/sql_catalog.h"
#include "world/forwarding_sink.h"

namespace sluice {
namespace {

constexpr int kAttemptsMax = 2;      // of the broken file: each costs every case a run
constexpr int kRecoveryRunsMax = 8;  // one run recovers; the broken file is tried; one more finds nothing to do
constexpr auto kStall = std::chrono::minutes(10);

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

/// Somebody removed staged objects: recovery gives the batch up (rule W). They stay, so that a commit in flight could still land whole.
class SaysMissing final : public ForwardingSink {
 public:
  using ForwardingSink::ForwardingSink;
  Result<std::vector<std::string>> missing(const PreparedBatch& batch, Context&) override {
    return std::vector{batch.objects.front().path};
  }
};

void check_all_loaded(FaultyWorld& faulty, const std::string& when) {
  std::multiset<int64_t> ids = faulty.world.ids();
  // The older version of a.json is only there if it was loaded before it changed.
  if (!ids.contains(1)) ids.insert({1, 2});
  EXPECT_EQ(ids, faulty.expected) << when;
}

}  // namespace

bool long_sweep() {
  const char* wanted = std::getenv("SLUICE_TEST_LONG");
  return wanted && std::string_view(wanted) == "1";
}

int64_t sweep_stride() {
  const char* wanted = std::getenv("SLUICE_TEST_STRIDE");
  return long_sweep() || !wanted ? 1 : std::max<int64_t>(1, std::atoll(wanted));
}

bool is_own_case(FaultKind kind, const FaultPlan::Operation& operation) {
  if (long_sweep() || kind == FaultKind::kFailBefore || kind == FaultKind::kStall) return true;
  if (kind == FaultKind::kCrashAfter && !operation.name.starts_with("catalog.") && !operation.name.starts_with("rows.")) return false;
  return operation.effect != Effect::kRead;
}

FaultyWorld::FaultyWorld(std::vector<Fault> faults, int threads, CatalogKind kind)
    : plan_(with_stalls(std::move(faults))),
      threads_(threads),
      store_(world.store, plan_),
      stores_(store_),
      inner_rows_(must(open_sqlite_catalog_rows(world.folder() + "/catalog.db", "local"))),
      inner_catalog_(open_inner(kind)),
      catalog_(*inner_catalog_, plan_) {
  world.ingestion.retry_attempts_max = kAttemptsMax;
}

std::unique_ptr<Catalog> FaultyWorld::open_inner(CatalogKind kind) {
  if (kind == CatalogKind::kSql) {
    return make_sql_catalog(std::make_unique<FaultyRows>(*inner_rows_, plan_, late_below_), "file:///wh", stores_, {}, world.clock);
  }
  world.use_rest_catalog(kind == CatalogKind::kRest);
  return world.open_catalog(
      stores_, [this](std::unique_ptr<HttpClient> client) { return std::make_unique<FaultyHttp>(std::move(client), plan_, late_below_); });
}

Result<RunReport> FaultyWorld::run() {
  auto report = run_process();
  after_the_process();
  return report;
}

void FaultyWorld::run_beside_another() {
  std::atomic<bool> ended{false};
  {
    const std::jthread other([&] {
      do {
        (void)world.start()->run();
      } while (!ended);
    });
    (void)run_process();
    ended = true;
  }
  after_the_process();
}

void FaultyWorld::after_the_process() {
  if (!plan_.crashed()) return;
  world.store.lose_unfinished();
  plan_.restart();
}

void FaultyWorld::run_until_quiet() {
  std::string last;
  for (int i = 0; i < kRecoveryRunsMax; ++i) {
    const auto report = run();
    last = report ? report->run.error : report.error().message;
    if (report && report->run.state == RunState::kCompleted && report->run.metrics.files_failed == 0) return;
  }
  ADD_FAILURE() << "no quiet after " << kRecoveryRunsMax << " runs; the last said: " << last;
}

void FaultyWorld::retry_failed() { (void)run_process({.retry_failed = true}); }

void FaultyWorld::land_all() {
  catalog_.late().land_all();
  late_below_.land_all();
}

/// A process that stalls sleeps longer than its lease, and another one runs meanwhile.
std::vector<Fault> FaultyWorld::with_stalls(std::vector<Fault> faults) {
  for (Fault& fault : faults) {
    if (fault.kind != FaultKind::kStall) continue;
    fault.meanwhile = [this] {
      world.clock.advance(kStall);
      (void)world.start()->run();
    };
  }
  return faults;
}

Result<RunReport> FaultyWorld::run_process(const RunOptions& options) {
  std::unique_ptr<FaultyLedger> ledger;
  std::unique_ptr<SaysMissing> sink;
  Wrapping wrapping;
  wrapping.store = [this](ObjectStore&) -> ObjectStore& { return store_; };
  wrapping.catalog = [this](Catalog&) -> Catalog& { return catalog_; };
  wrapping.ledger = [&](WorkLedger& inner) -> WorkLedger& {
    ledger = std::make_unique<FaultyLedger>(inner, plan_);
    return *ledger;
  };
  if (objects_vanish) {
    wrapping.sink = [&](Sink& inner) -> Sink& {
      sink = std::make_unique<SaysMissing>(inner);
      return *sink;
    };
  }
  const auto process = world.start(wrapping);
  const EngineParts whole = process->parts();
  FaultyRegistry registry(whole.registry, plan_);
  FaultyHistory history(whole.history, plan_);
  const EngineParts parts{whole.work, registry, history, whole.stores, whole.clock, whole.worker, threads_, whole.lease};
  return Engine(parts).run(process->registered(), process->sink(), options, process->heard, process->context);
}

void put_first_files(World& world) {
  world.put("a.json", {1, 2});
  world.put("b.json", {3});
  world.put_text("broken.json", "{\"id\": 4}\n{\"id\": \n");
}

void put_second_files(World& world) {
  world.put("a.json", {5, 6, 7});
  world.put_text("c.json", "{\"id\": 8, \"extra\": \"x\"}\n{\"id\": 9, \"extra\": null}\n");
}

void load_given_up(FaultyWorld& faulty) {
  put_first_files(faulty.world);
  (void)faulty.run();
  faulty.objects_vanish = true;
  (void)faulty.run();
  faulty.objects_vanish = false;
  put_second_files(faulty.world);
}

void two_loads(FaultyWorld& faulty) {
  put_first_files(faulty.world);
  (void)faulty.run();
  put_second_files(faulty.world);
  (void)faulty.run();
}

std::vector<FaultPlan::Operation> run_case(const std::vector<Fault>& faults, const std::string& when, const Life& life, int threads,
                                           CatalogKind kind) {
  FaultyWorld faulty(faults, threads, kind);
  life(faulty);
  std::vector<FaultPlan::Operation> operations = faulty.plan().operations();
  faulty.run_until_quiet();
  faulty.land_all();
  faulty.world.clock.advance(kAfterLastSweep);
  faulty.run_until_quiet();
  // Without history the lists of older snapshots are named by nobody: not ours to delete.
  faulty.world.check_invariants(when, kind != CatalogKind::kRestWithoutHistory);
  check_all_loaded(faulty, when);
  return operations;
}

std::string name_of(const std::vector<Fault>& faults, const std::vector<FaultPlan::Operation>& operations) {
  std::string name;
  for (const Fault& fault : faults) {
    const auto at = static_cast<size_t>(fault.at - 1);
    name += fmt::format("{}{} at operation {} ({})", name.empty() ? "" : ", ", to_string(fault.kind), fault.at,
                        at < operations.size() ? operations[at].name : "not reached");
    if (fault.kind == FaultKind::kUnknownLate) name += fmt::format(", late by {}", fault.late_by);
  }
  return name;
}

}  // namespace sluice
