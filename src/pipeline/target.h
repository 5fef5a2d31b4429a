// Target: the table a batch goes to, made or evolved before the first row is staged (design, section 5).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "pipeline/column_rules.h"
#include "pipeline/sampled_files.h"
#include "pipeline/sink.h"
#include "schema/evolution.h"
#include "storage/object_store.h"

namespace sluice {

struct TargetStep {
  WorkLedger& ledger;
  Sink& sink;
  StoreProvider& stores;
  Clock& clock;
  const Ingestion& ingestion;
  std::optional<Schema> contract;                      ///< goes before inference
  SampledFiles* sampled = nullptr;                     ///< takes what inference reads of small files; nullptr: nobody reads them again
  std::shared_ptr<const ColumnRules> rules = nullptr;  ///< columns by definition; nullptr: all are as found
};

/// A target and what was said on the way to it.
struct Target {
  TargetState state;
  std::vector<std::string> schema_changes;
  std::vector<std::string> warnings;
};

/// The source of the ingestion that a claimed file belongs to.
const Source& source_of(const Ingestion& ingestion, const ClaimedFile& file);

/// What a sample of files says of the columns, and what people should know of them.
struct SampledColumns {
  std::vector<Field> fields;
  std::vector<std::string> warnings;
};

/// Columns that the heads of the files hold: the first kSampleBytesMax, spread over at most kSampleFilesMax of them. A file that
/// cannot be read gives nothing here; reading it for its rows will say why. Small files are left in `sampled`, where there is one.
/// Where columns are defined (`rules`, else nullptr) they are the table's, and all paths count for what paths say.
Result<SampledColumns> sample_columns(StoreProvider& stores, const Ingestion& ingestion, const std::vector<ClaimedFile>& files,
                                      const ColumnRules* rules, SampledFiles* sampled, Context& context);

/// Loads the table and checks rule M, or creates it from the contract or from a sample of `files`. nullopt: there is no table and no
/// file has a column yet.
Result<std::optional<Target>> load_or_create(const TargetStep& step, const std::vector<ClaimedFile>& files, Context& context);

/// The same where only reading has shown that a table is needed: `found` are the columns that rows had, which may be none, and the table
/// has the metadata columns besides; `_rescued_data` where rows were rescued that those columns do not take. An Error of type
/// SchemaMismatch: no table can be made for such rows, or none that could ever get a column.
Result<Target> load_or_create_for_rows(const TargetStep& step, const std::vector<Field>& found, bool rescued,
                                       const std::vector<ClaimedFile>& files, Context& context);

/// What the table would become for `found`: also `_rescued_data` where `add_rescued`. Pure.
EvolutionPlan plan_target(const TargetState& state, const std::vector<Field>& found, Evidence evidence, bool add_rescued, SchemaMode mode);

/// What the table must become for what reading found, `_rescued_data` included where rows were rescued that the other changes do not take.
EvolutionPlan plan_drift(const TargetState& state, const std::vector<Field>& found, bool rescued, SchemaMode mode);

/// Commits plan_target()'s changes; a lost race means: load, plan again. Unchanged where there is nothing to change.
Result<Target> evolve_target(const TargetStep& step, TargetState state, const std::vector<Field>& found, Evidence evidence,
                             bool add_rescued, Context& context);

}  // namespace sluice
