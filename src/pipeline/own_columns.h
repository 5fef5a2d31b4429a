// The columns of a file that becomes an object of its own (rule S).
#pragma once

#include "base/context.h"
#include "base/error.h"
#include "model/ingestion.h"
#include "pipeline/column_rules.h"
#include "pipeline/input_file.h"
#include "pipeline/sink.h"
#include "schema/type.h"

namespace sluice {

/// Those of the contract, or of the file's first kOwnSampleBytes; then the metadata columns. A column seen only as null is text: no later
/// file will tell. As a target without a table, to be planned upon as one.
Result<TargetState> own_columns(InputFile& input, const Schema* contract, const ClaimedFile& file, const Ingestion& ingestion,
                                const Source& source, const ColumnRules* rules, Context& context);
inline constexpr int64_t kOwnSampleBytes = 4 * kMiB;  ///< of a member that comes once little more can be read again

/// A file whose values did not fit however often it was read again with the columns that they asked for.
Error columns_never_fit(int readings);

}  // namespace sluice
