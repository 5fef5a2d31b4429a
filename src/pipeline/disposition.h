// What becomes of source files after their load: kept, deleted, or moved to another folder of the same store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "pipeline/engine.h"

namespace sluice {

/// "keep", "delete" or "move:PATH" (relative: from the working folder).
Result<Disposition> parse_disposition(std::string_view text);

/// kInvalidInput: a target folder whose files a source would list again, or on another kind of store than the source.
Result<void> check_dispositions(const Ingestion& ingestion, const Dispositions& dispositions);

struct DisposedFiles {
  int64_t moved = 0, deleted = 0;
  std::vector<std::string> warnings;  ///< files that stay, with the reason: a later run tries again
};

/// Disposes of what the sources still hold, as the ledger has it: only a version that a confirmed batch loaded, or that failed for good. So
/// nothing need be remembered: after a crash the next call finds what is left. A file that changed stays; an archive goes when all its
/// members are done, or failed. A move keeps the path below the source's folder and never overwrites: an equal file there is the same move,
/// done half, another one makes a suffix. An error means that nothing (more) was looked at: rules M and T (the rows may no longer be in the
/// table), or the source cannot be listed.
Result<DisposedFiles> dispose_files(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, const Dispositions& dispositions,
                                    Context& context);

}  // namespace sluice
