// Stage: reads the files of a batch, several at once, and hands their rows to the sink's stager. A file is admitted whole or not at all.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "ledger/work_ledger.h"
#include "pipeline/approval.h"
#include "pipeline/column_rules.h"
#include "pipeline/engine.h"
#include "pipeline/input_file.h"
#include "pipeline/sampled_files.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

/// How often this run has put a file back (it changed, or its store did not answer), by path.
using Releases = std::map<std::string, int>;

struct StageStep {
  WorkLedger& ledger;
  StoreProvider& stores;
  Clock& clock;
  RunObserver& observer;
  const Ingestion& ingestion;
  int threads = 1;
  const Releases* releases = nullptr;
  const Schema* contract = nullptr;    ///< the law of the columns, if there is one; headers are compared with it as the ingestion says
  const Approval* approval = nullptr;  ///< schema mode approve: files that need more than this wait
  SampledFiles* sampled = nullptr;     ///< small files that somebody has read already
  std::shared_ptr<const ColumnRules> rules = nullptr;  ///< columns by definition; nullptr: all are as found
  bool object_per_file = false;  ///< each file has columns of its own, and is worth keeping when the others are stopped (rule S)
};

/// What reading the files of a batch came to. Rows are not durable before Stager::finish.
struct Staged {
  std::vector<FileResult> results;   ///< in the order of the batch's files; `ranges` are filled after Stager::finish
  std::vector<ClaimedFile> members;  ///< untracked batches: what the containers among the files hold, to be loaded next
  Drift drift;                       ///< of all files: columns that the table lacks, types that it would need
  bool rescued = false;              ///< some row holds something in _rescued_data
};

/// Reads every file of the batch. A file's failure is its result; an Error is one of the sink, or the stop: the batch is lost.
Result<Staged> stage_files(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch, Context& context);

}  // namespace sluice
