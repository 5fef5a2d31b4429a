// One claimed batch from target to confirm: the middle of the life of a file.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "pipeline/engine.h"
#include "pipeline/staging.h"
#include "pipeline/target.h"

namespace sluice {

struct BatchStep {
  const EngineParts& parts;
  Sink& sink;
  RunObserver& observer;
  const Ingestion& ingestion;
  std::optional<Schema> contract;
  const Releases* releases = nullptr;
  const Approval* approval = nullptr;                  ///< schema mode approve; nullptr: another mode
  std::shared_ptr<const ColumnRules> rules = nullptr;  ///< columns by definition; nullptr: all are as found
};

/// What a batch came to.
struct BatchEnd {
  bool confirmed = false;  ///< false: it was withdrawn, its files wait again
  std::vector<FileResult> results;
  std::vector<ClaimedFile> members;  ///< of an untracked batch: what its containers hold, to be loaded next
  std::vector<std::string> schema_changes;
  std::vector<std::string> warnings;
};

/// Loads or makes the table, stages the files (again where they ask for new columns), prepares, publishes and confirms.
/// On an error before prepare the batch is withdrawn and what it wrote is deleted; after prepare it stays for recovery. kConflict: the
/// batch was taken over by another worker.
Result<BatchEnd> ingest_batch(const BatchStep& step, const ClaimedBatch& batch, Context& context);

}  // namespace sluice
