// The columns of a file that becomes an object of its own (rule S).
#pragma once

#include <optional>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "model/ingestion.h"
#include "pipeline/column_rules.h"
#include "pipeline/input_file.h"
#include "pipeline/sink.h"
#include "schema/type.h"

namespace sluice {

/// Those of the contract, or of the file's first kOwnSampleBytes; then the metadata columns. A column seen only as null is text: no later
/// file will tell. What cannot be read again has `_rescued_data` from the start. As a target without a table, to be planned upon as one.
Result<TargetState> own_columns(InputFile& input, const Schema* contract, const ClaimedFile& file, const Ingestion& ingestion,
                                const Source& source, const ColumnRules* rules, Context& context);
inline constexpr int64_t kOwnSampleBytes = 4 * kMiB;  ///< of a member that comes once little more can be read again

/// What the columns must become for what reading the file found; nullopt: they need not, or may not. No older object has them, so they
/// become as wide as inference would have made them (long -> double, anything -> string), contracts and definitions aside.
std::optional<Schema> wider_own_columns(const TargetState& own, const Drift& drift, bool rescued, const Ingestion& ingestion,
                                        const ColumnRules* rules);

/// A file whose values did not fit however often it was read again with the columns that they asked for.
Error columns_never_fit(int readings);

}  // namespace sluice
