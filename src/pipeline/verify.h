// Whether ledger and Parquet objects say the same (rule S): nothing is changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "ledger/history.h"
#include "model/ingestion.h"
#include "storage/object_store.h"

namespace sluice {

struct Difference {
  std::string kind;    ///< missing, rows, version, source, foreign, unknown
  std::string name;    ///< URI of the object
  std::string reason;  ///< for people
};

struct Verification {
  int64_t files = 0;    ///< in the ledger
  int64_t done = 0;     ///< of them, without rows included
  int64_t objects = 0;  ///< below the prefix
  std::vector<Difference> differences;
};

/// Every object that the ledger knows is looked at, and every object below the prefix is asked for in the ledger. While a run is at work
/// there may be differences that are none a moment later. kInvalidInput: the ingestion has a table.
Result<Verification> verify_objects(History& history, StoreProvider& stores, const Ingestion& ingestion, Context& context);

}  // namespace sluice
