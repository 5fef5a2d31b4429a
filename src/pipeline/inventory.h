// The inventory of an ingestion: a line for each file that was found, with what became of it. The ledger keeps it from discovery on, so it
// is there before work begins.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "ledger/history.h"

namespace sluice {

enum class InventoryState { kPending, kInProgress, kDone, kFailed, kSkipped };
/// "pending", "in_progress", "done", "failed", "skipped".
std::string_view to_string(InventoryState state);

struct InventoryLine {
  std::string name;  ///< URI
  int64_t size_bytes = 0;
  std::string type;  ///< the format that its content has; before it was opened: what its name ends in
  InventoryState state = InventoryState::kPending;
  std::string reason;   ///< of failed and skipped
  int64_t rows = 0;     ///< of done
  std::string archive;  ///< of a member: what it lies in
};

/// Lines by state. They add up: lines() is what was visited.
struct InventoryCounts {
  int64_t pending = 0, in_progress = 0, done = 0, failed = 0, skipped = 0;
  int64_t lines() const { return pending + in_progress + done + failed + skipped; }
};

struct Inventory {
  InventoryCounts files;
  InventoryCounts members;  ///< of archives, counted apart
};

/// Visits every line, by name, in one read of the ledger. An Error of `visit` ends it. An archive that was opened is done when all its
/// members are, failed when one failed, else pending.
Result<Inventory> visit_inventory(History& history, const IngestionId& ingestion,
                                  const std::function<Result<void>(const InventoryLine&)>& visit);

}  // namespace sluice
