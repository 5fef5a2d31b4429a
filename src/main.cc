// The program: concrete classes meet here, signals become a stop request, and the command line does the rest.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/ids.h"
#include "cli/command.h"
#include "iceberg/rest_catalog.h"
#include "iceberg/sql_catalog.h"
#include "ledger/postgres_ledger.h"
#include "ledger/sqlite_ledger.h"
#include "pipeline/iceberg_sink.h"
#include "pipeline/parquet_sink.h"
#include "service/server.h"
#include "storage/stores.h"

namespace sluice {
namespace {

// Of the environment: read by libraries and by the S3 client, whoever repeats them in a message.
constexpr const char* kSecretVariables[] = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD"};

/// Unique per process start: a successor with the same pid is another worker.
WorkerId make_worker_id() {
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  return WorkerId(fmt::format("{}:{}:{}", host, getpid(), new_uuid()));
}

/// A folder that is gone when the program ends (--dry-run without a ledger).
class ScratchFolder {
 public:
  /// kUnavailable: there is no folder for temporary files, or it takes none.
  static Result<std::unique_ptr<ScratchFolder>> make() {
    std::error_code error;
    std::filesystem::path path = std::filesystem::temp_directory_path(error);
    if (!error) std::filesystem::create_directories(path /= "sluice-" + new_uuid(), error);
    if (!error) return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
    return fail(ErrorCode::kUnavailable, fmt::format("no temporary folder can be made: {}; TMPDIR names another place", error.message()));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string file(const std::string& name) const { return path_ / name; }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path path_;
};

class ProgramAssembly final : public Assembly {
 public:
  ProgramAssembly(Config config, StoreProvider& stores, Clock& clock, Redaction& redaction, std::stop_token stop)
      : config_(std::move(config)), stores_(stores), clock_(clock), redaction_(redaction), stop_(std::move(stop)) {
    hide_secrets(config_, redaction_);
  }

  Result<void> open_ledger(LedgerMode mode) {
    writes_nothing_ = mode == LedgerMode::kScratchIfMissing || mode == LedgerMode::kNone;
    if (mode == LedgerMode::kNone) return {};
    TRY(is_postgres_uri(config_.ledger_uri) ? open_postgres_ledger(mode) : open_sqlite_ledger(mode));
    ledger_->hide(redaction_);
    return {};
  }

  WorkLedger& work() override { return *ledger_; }
  Registry& registry() override { return *ledger_; }
  RunQueue& queue() override { return *ledger_; }
  ServiceRecords& service_records() override { return *ledger_; }
  History& history() override { return *ledger_; }
  StoreProvider& stores() override { return stores_; }
  Clock& clock() override { return clock_; }
  const WorkerId& worker() override { return worker_; }

  Result<Catalog*> catalog(const std::string& name) override {
    auto it = catalogs_.find(name);
    if (it != catalogs_.end()) return it->second.get();
    TRY_ASSIGN(const CatalogConfig* config, catalog_config(name));
    TRY_ASSIGN(std::unique_ptr<Catalog> opened, open_catalog(*config));
    return catalogs_.emplace(name, std::move(opened)).first->second.get();
  }

  Result<std::unique_ptr<Sink>> open_sink(const Ingestion& ingestion) override {
    if (ingestion.parquet) return std::make_unique<ParquetSink>(*ledger_, stores_, *ingestion.parquet, clock_);
    TRY_ASSIGN(Catalog * opened, catalog(ingestion.table.catalog));
    TRY_ASSIGN(const CatalogConfig* config, catalog_config(ingestion.table.catalog));
    const TableId table{ingestion.table.ns, ingestion.table.name};
    return std::make_unique<IcebergSink>(*opened, stores_, config->properties, table, clock_);
  }

 private:
  Result<void> open_sqlite_ledger(LedgerMode mode) {
    std::string path = config_.ledger_path();
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      if (mode == LedgerMode::kMustExist) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("{}: there is no ledger yet; `sluice load PATH --table NS.NAME` makes one, --home says where it is", path));
      }
      if (mode == LedgerMode::kScratchIfMissing) {
        TRY_ASSIGN(path, scratch_file("ledger.db"));
      } else {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
        if (error) return invalid_input(fmt::format("{}: the folder of the ledger cannot be made: {}", path, error.message()));
      }
    }
    TRY_ASSIGN(ledger_, SqliteLedger::open(path, worker_, clock_));
    return {};
  }

  Result<void> open_postgres_ledger(LedgerMode mode) {
    if (mode != LedgerMode::kCreate) {
      TRY_ASSIGN(const bool there, PostgresLedger::exists(config_.ledger_uri));
      if (!there && mode == LedgerMode::kMustExist) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("{}: there is no ledger yet; `sluice load PATH --table NS.NAME` makes one", config_.ledger_name()));
      }
      if (!there) {
        TRY_ASSIGN(const std::string path, scratch_file("ledger.db"));
        TRY_ASSIGN(ledger_, SqliteLedger::open(path, worker_, clock_));
        return {};
      }
    }
    TRY_ASSIGN(ledger_, PostgresLedger::open(config_.ledger_uri, worker_, clock_, LedgerTime::kServer, stop_));
    return {};
  }

  /// In a folder that goes when the program ends.
  Result<std::string> scratch_file(const std::string& name) {
    if (!scratch_) {
      TRY_ASSIGN(scratch_, ScratchFolder::make());
    }
    return scratch_->file(name);
  }

  Result<const CatalogConfig*> catalog_config(const std::string& name) const {
    auto it = config_.catalogs.find(name);
    if (it != config_.catalogs.end()) return &it->second;
    std::string known;
    for (const auto& [other, config] : config_.catalogs) known += (known.empty() ? "" : ", ") + other;
    return invalid_input(fmt::format("no catalog \"{}\"; there is: {}", name, known));
  }

  Result<std::unique_ptr<Catalog>> open_catalog(const CatalogConfig& config) {
    if (config.type == "rest") return open_rest_catalog({config.uri, config.warehouse, config.properties}, clock_);
    std::string place = config.sqlite_path();
    if (place.empty()) place = config.uri;
    std::error_code error;
    if (place != config.uri && !std::filesystem::exists(place, error)) {
      if (writes_nothing_) {
        TRY_ASSIGN(place, scratch_file(fmt::format("catalog-{}.db", catalogs_.size())));
      } else {
        std::filesystem::create_directories(std::filesystem::path(place).parent_path(), error);
      }
    }
    return open_sql_catalog(config.name, place, config.warehouse, stores_, config.properties, clock_, stop_);
  }

  const Config config_;
  StoreProvider& stores_;
  Clock& clock_;
  Redaction& redaction_;
  const std::stop_token stop_;
  const WorkerId worker_ = make_worker_id();
  bool writes_nothing_ = false;  ///< what is missing is made in scratch_ (dry runs)
  std::unique_ptr<ScratchFolder> scratch_;
  std::unique_ptr<SqlLedger> ledger_;
  std::map<std::string, std::unique_ptr<Catalog>> catalogs_;
};

/// SIGINT and SIGTERM ask for a stop; a second one ends the process at once (the ledger is made for that).
std::jthread watch_signals(std::stop_source& stop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return std::jthread([signals, &stop](std::stop_token ended) {
    // The end of the program is told in the same way: a wait that looked up now and then would keep every command from ending at once.
    const std::stop_callback wake(ended, [self = pthread_self()] { pthread_kill(self, SIGTERM); });
    int which = 0;
    while (sigwait(&signals, &which) == 0 && !ended.stop_requested()) {
      if (stop.stop_requested()) _exit(kExitInterrupted);
      stop.request_stop();
    }
  });
}

int run_program(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  std::stop_source stop;
  const std::jthread watcher = watch_signals(stop);
  SystemClock clock;
  Stores stores(clock);
  Redaction redaction;
  for (const char* name : kSecretVariables) {
    if (const char* value = std::getenv(name)) redaction.hide(value);
  }
  auto assemble = [&](const Config& config, LedgerMode mode) -> Result<std::unique_ptr<Assembly>> {
    auto parts = std::make_unique<ProgramAssembly>(config, stores, clock, redaction, stop.get_token());
    TRY(parts->open_ledger(mode));
    return parts;
  };
  auto serve_until = [&](const Config& config, const ServeOptions& options, const OpenParts& open, std::stop_token until) {
    return serve(config, options, open, clock, redaction, until);
  };
  return run_command_line(argc, argv, assemble, serve_until, stores, clock, stop.get_token());
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  // Columns and pages are made and dropped by the thousand: jemalloc keeps their memory at hand, and needs a quarter less of it at the peak
  // than Arrow's own choice. Before Arrow's first allocation; the environment has the last word.
  setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc", 0);
  return sluice::run_program(argc, argv);
}
