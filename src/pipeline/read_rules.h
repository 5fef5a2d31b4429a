// How a file is read, and what an error of it comes to: the rules of staging that need no thread and no store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "pipeline/column_rules.h"
#include "pipeline/input_file.h"
#include "pipeline/sink.h"
#include "schema/type.h"

namespace sluice {

inline constexpr int kReleasesMax = 3;  ///< then the file has failed, for now: a run must end though a file changes all the time

/// "data-003.json: line 17: expected ',' or '}' (byte 2041); allow such rows with --on-bad-row=skip; the file was not loaded. Fix it and
/// run again"
Error explain(Error error, const ClaimedFile& file);

/// Of a file with an error of this type that was put back so often in this run.
FileOutcome outcome_of(std::string_view type, int released_before);

/// How the files of this ingestion are read into that table.
ReadPlan read_plan(const TargetState& target, const Ingestion& ingestion, const Source& source, bool has_contract);

/// What the file's first `sample_bytes` say of its columns; of the table's, where columns are defined (`rules`, else nullptr).
Result<Inferred> infer_columns(InputFile& input, int64_t sample_bytes, const ClaimedFile& file, const Ingestion& ingestion,
                               const Source& source, const ColumnRules* rules, Context& context);

/// How the file's header differs from the contract (text for people); nullopt: it does not, or there is no row to tell.
Result<std::optional<std::string>> header_mismatch(InputFile& input, const Schema& contract, const ClaimedFile& file,
                                                   const Ingestion& ingestion, const Source& source, const ColumnRules* rules,
                                                   Context& context);

}  // namespace sluice
