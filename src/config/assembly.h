// The parts of the program as commands and the service see them. Made in main.cc, where concrete classes meet; one per process, and one
// for each worker of a service.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"
#include "iceberg/catalog.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/run_queue.h"
#include "ledger/service_records.h"
#include "ledger/work_ledger.h"
#include "pipeline/engine.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

class Assembly {
 public:
  virtual ~Assembly() = default;
  virtual WorkLedger& work() = 0;
  virtual Registry& registry() = 0;
  virtual RunQueue& queue() = 0;
  virtual ServiceRecords& service_records() = 0;
  virtual History& history() = 0;
  virtual StoreProvider& stores() = 0;
  virtual Clock& clock() = 0;
  virtual const WorkerId& worker() = 0;
  /// kInvalidInput: no such catalog; the message lists those there are.
  virtual Result<Catalog*> catalog(const std::string& name) = 0;
  virtual Result<std::unique_ptr<Sink>> open_sink(const Ingestion& ingestion) = 0;

  EngineParts engine_parts(int threads = 0) { return {work(), registry(), history(), stores(), clock(), worker(), threads}; }
};

/// What to do where there is no ledger yet.
enum class LedgerMode {
  kMustExist,         ///< kNotFound
  kCreate,            ///< make it, and the home folder
  kScratchIfMissing,  ///< work on an empty one that is gone afterwards (--dry-run)
  kNone,              ///< open none: for catalogs alone; nothing else may be asked for
};

/// Opens the ledger; catalogs when they are first asked for.
using Assemble = std::function<Result<std::unique_ptr<Assembly>>(const Config& config, LedgerMode mode)>;

/// The same again, for each worker of a service.
using OpenParts = std::function<Result<std::unique_ptr<Assembly>>()>;

}  // namespace sluice
