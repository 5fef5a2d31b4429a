// Whether ledger and Parquet objects say the same (rule S), and what the sources have become since: nothing is changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "ledger/history.h"
#include "model/ingestion.h"
#include "pipeline/engine.h"
#include "storage/object_store.h"

namespace sluice {

struct Difference {
  std::string kind;    ///< missing, rows, version, source, foreign, unknown
  std::string name;    ///< URI of the object
  std::string reason;  ///< for people
};

/// A file of the sources that is not as the inventory has it. No damage: the next run sees to what is new or changed.
struct SourceChange {
  std::string kind;    ///< new, changed, gone
  std::string path;    ///< as the source calls it
  std::string reason;  ///< for people
};

struct Verification {
  int64_t files = 0;    ///< in the ledger
  int64_t done = 0;     ///< of them, without rows included
  int64_t objects = 0;  ///< below the prefix
  std::vector<Difference> differences;
  std::optional<std::vector<SourceChange>> source_changes;  ///< nullopt: the sources were not listed
};

/// Every object that the ledger knows is looked at, and every object below the prefix is asked for in the ledger. While a run is at work
/// there may be differences that are none a moment later. kInvalidInput: the ingestion has a table.
Result<Verification> verify_objects(History& history, StoreProvider& stores, const Ingestion& ingestion, Context& context);

/// Lists the sources and compares them with the inventory: files that it does not have, files at another version than it has (or than the
/// one that is done, where on_change leaves that), files that are there no more. Not those that were to go once they were done or failed
/// (dispositions), nor skipped ones. By path. What the listing does not show and the inventory has is asked for one by one. Memory: what
/// has changed; of a store that lists out of order, every known file.
Result<std::vector<SourceChange>> find_source_changes(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion,
                                                      Context& context);

}  // namespace sluice
