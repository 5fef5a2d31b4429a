// A small world for tests of the whole pipeline: a store in memory, a ledger and a SQL catalog in a temporary folder, and processes that
// start, work and die. Storage, ledger and catalog may be wrapped (fault decorators) per process. Not thread-safe unless said.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "iceberg/catalog.h"
#include "iceberg/fake_rest_server.h"
#include "ledger/sqlite_ledger.h"
#include "model/ingestion.h"
#include "pipeline/engine.h"
#include "pipeline/iceberg_sink.h"
#include "storage/memory_store.h"
#include "storage/stores.h"

namespace sluice {

/// Decorators of one process. Empty: the real thing.
struct Wrapping {
  std::function<ObjectStore&(ObjectStore&)> store;
  std::function<WorkLedger&(WorkLedger&)> ledger;
  std::function<Catalog&(Catalog&)> catalog;
  std::function<Sink&(Sink&)> sink;
};

/// Collects what a run says.
class Heard final : public RunObserver {
 public:
  void warning(const std::string& text) override { warnings.push_back(text); }
  std::vector<std::string> warnings;
};

class World;

inline constexpr const char* kObjects = "file:///out";

/// One start of the program. Destroying it is a crash: nothing is cleaned up but the locks that the system frees.
class Process {
 public:
  Process(World& world, const Wrapping& wrapping, const std::string& home);

  Result<RunReport> run(const RunOptions& options = {});
  Result<RunReport> run(const Ingestion& ingestion, const RunOptions& options = {});
  Result<int64_t> forget(const std::vector<std::string>& paths, bool all);

  SqliteLedger& ledger() { return *ledger_; }
  Catalog& catalog() { return *catalog_; }
  Sink& sink() { return *wrapped_sink_; }
  const WorkerId& worker() const { return worker_; }
  EngineParts parts();
  /// The world's ingestion as this process's ledger knows it.
  Ingestion registered();

  Heard heard;
  Context context;

 private:
  World& world_;
  const WorkerId worker_;
  std::unique_ptr<SqliteLedger> ledger_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<SingleStore> stores_;
  std::unique_ptr<Sink> sink_;
  WorkLedger* wrapped_ledger_;
  Sink* wrapped_sink_;
};

class World {
 public:
  explicit World(MemoryStoreOptions options = {});
  ~World();

  /// file:///in/<name> with rows {"id": n} for the given ids.
  void put(const std::string& name, const std::vector<int64_t>& ids);
  void put_text(const std::string& name, const std::string& text);
  void drop(const std::string& name);
  static std::string uri(const std::string& name) { return "file:///in/" + name; }

  /// From now on tables are those of a REST server: it compares what a change requires, not the whole metadata.
  void use_rest_catalog(bool keeps_history = true);
  /// From now on each file becomes a Parquet object below kObjects (rule S).
  void use_objects();
  /// Keys and versions of the objects.
  std::map<std::string, std::string> objects();

  /// A connection to the world's catalog; `http` goes around the client's requests to the REST server.
  std::unique_ptr<Catalog> open_catalog(StoreProvider& stores,
                                        const std::function<std::unique_ptr<HttpClient>(std::unique_ptr<HttpClient>)>& http = {});

  std::unique_ptr<Process> start(const Wrapping& wrapping = {}, const std::string& home = "home");
  /// A fresh process runs once and ends; the test fails where it cannot.
  RunReport run();

  LoadedTable table();
  bool has_table() { return find_table().has_value(); }
  /// ids in the table, or in the objects, each as often as it is there, by _source_file.
  std::map<std::string, std::multiset<int64_t>> rows();
  std::multiset<int64_t> ids();
  /// Properties and refs changed by somebody else.
  void commit(const TableChange& change);

  /// The invariants of protocol.md, after recovery and the last sweep. Adds test failures with `when` in their text.
  void check_invariants(const std::string& when, bool orphans = true);
  /// What no snapshot, no metadata log and no committed batch names.
  std::vector<std::string> orphans();

  std::string ledger_path(const std::string& home = "home") const;
  /// A copy of the ledger as it is now, and putting it back (restore from a backup).
  void back_up_ledger(const std::string& name);
  void restore_ledger(const std::string& name);
  /// A statement on the catalog's database, as another program would run it.
  void change_catalog(const std::string& sql);
  const std::string& folder() const { return folder_; }

  ManualClock clock;  ///< leases run out when a test says so
  MemoryStore store;
  Ingestion ingestion;

 private:
  void check_objects(const std::string& when);
  /// nullopt: none, or none that can be read.
  std::optional<LoadedTable> find_table();

  const std::string folder_;
  std::unique_ptr<FakeRestServer> rest_;  // nullptr: the catalog is the SQLite file
};

}  // namespace sluice
