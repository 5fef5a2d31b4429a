// The ledger of one ingestion made anew from what its target holds. docs/guide/recovery.md says what can be known and what not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "pipeline/engine.h"

namespace sluice {

struct RebuildOptions {
  /// Listed files last changed before this time count as loaded, whatever the target says of them; and rows that nobody can attribute stop
  /// nothing.
  std::optional<Timestamp> assume_loaded_until;
};

struct RebuildReport {
  int64_t data_files = 0;
  int64_t data_files_without_footer = 0;  ///< written by another program, a compaction for instance
  int64_t versions_by_footer = 0;         ///< pieces of file versions that footers name
  int64_t files_by_column = 0;            ///< listed files that only `_source_file` names: their present version counts as loaded
  int64_t files_assumed = 0;              ///< by assume_loaded_until
  int64_t rows_untraced = 0;              ///< rows of no file that anybody knows
  int64_t files_loaded = 0;               ///< SUCCESS in the ledger afterwards
  int64_t files_to_load = 0;              ///< listed and not found in the target: the next run loads them
};

/// Reads the target's live data, records what was loaded, and lists the sources. Loads nothing and writes nothing to the target.
/// kInvalidInput: `assume_loaded_until` is for tables, not for Parquet objects.
/// kCorruption: something cannot be attributed and `assume_loaded_until` does not say what to do: nothing was recorded. kNotFound: no
/// target. Memory: the distinct paths that only `_source_file` names.
Result<RebuildReport> rebuild(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, const RebuildOptions& options,
                              Context& context);

}  // namespace sluice
