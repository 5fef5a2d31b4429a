// Rule M and the making of a new mark: pure decisions over what the table and the ledger say. See docs/reference/protocol.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "ledger/work_ledger.h"
#include "model/batch.h"
#include "model/ingestion.h"
#include "pipeline/sink.h"

namespace sluice {

/// Our newest confirmed batch, asked BEFORE the table is loaded: asked afterwards, a batch that another worker lands and confirms in
/// between would look like a table rolled back behind it.
Result<std::optional<BatchRecord>> newest_confirmed(WorkLedger& ledger, const Ingestion& ingestion);

/// Rule M, before anything is published or deleted: do ledger and table belong together? kCorruption with the way out where not:
/// a foreign ledger's mark, a batch that the ledger does not know, a missing mark or one behind `confirmed`, that batch's snapshot gone
/// from the table's history, or (rule T) `confirmed` in another table. What the mark names is looked up now, after the load.
Result<void> check_mark(WorkLedger& ledger, const Sink& sink, const TargetState& state, const Ingestion& ingestion,
                        const std::optional<BatchRecord>& confirmed);

/// Rule T, before anything is listed: what the ledger remembers as loaded lies where the newest batch went, so that must be this target.
/// Asks the catalog only where the names differ. kCorruption with the way out: it is another one.
Result<void> check_target(WorkLedger& ledger, Sink& sink, const Ingestion& ingestion, Context& context);

/// The mark that publishing `batch` writes: loaded `open`, minus what the ledger says is confirmed, plus this batch; `last` is the
/// newest confirmed. Never computed from the ledger alone; ids that the ledger does not know stay.
Result<Mark> next_mark(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion, const PreparedBatch& batch);

/// The batches that a mark names: the open ones and the last.
std::vector<MarkEntry> entries_of(const Mark& mark);

/// The ids in a mark that our ledger does not know (for `forget --all`), and its highest seq.
struct ForeignMark {
  std::vector<BatchId> batches;
  int64_t seq_max = 0;
};
Result<ForeignMark> foreign_entries(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion);

}  // namespace sluice
