// What becomes of source files after their load: they are left alone, deleted, moved to another folder of their store, or tagged there.
#pragma once

#include <string>
#include <vector>

#include "base/context.h"
#include "model/ingestion.h"
#include "pipeline/engine.h"

namespace sluice {

/// The tag of an object that was disposed of with `tag`; its value is "done" or "failed".
inline constexpr const char* kDispositionTag = "sluice";

/// Disposes of what the sources still hold, as the ledger has it: only a version that a confirmed batch loaded, or that failed for good. So
/// after a crash the next call finds what is left; of files that stay because they are tagged, the ledger remembers it. A file that changed
/// stays; an archive goes when all its members are done, or failed. A move keeps the path below the source's folder and never overwrites:
/// an equal file there is the same move, done half, another one makes a suffix. Nothing is touched under rules M and T (the rows may no
/// longer be in the table). `files_from`: only these are looked at (RunOptions); nullopt: the sources.
DisposedFiles dispose_files(const EngineParts& parts, const Ingestion& ingestion, Sink& sink,
                            const std::optional<std::vector<std::string>>& files_from, Context& context);

}  // namespace sluice
