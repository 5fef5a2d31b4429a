// Rule P as pure functions over one loaded table. See docs/reference/protocol.md.
#pragma once

#include <cstdint>

#include "iceberg/table_metadata.h"
#include "model/batch.h"
#include "pipeline/sink.h"

namespace sluice {

/// What main's ancestors say of a snapshot that can only lie above `base_sequence_number`.
enum class AncestorsSay { kThere, kNotThere, kTruncated };
AncestorsSay ask_ancestors(const TableMetadata& metadata, int64_t snapshot_id, int64_t base_sequence_number);

/// What the ingestion's mark says of a batch.
enum class MarkSays { kKnown, kNotKnown, kNoMark };
MarkSays ask_mark(const TargetState& state, const PreparedBatch& batch);

/// The table of rule P. `paths_live` is asked only where `needs_paths` says so.
bool needs_paths(AncestorsSay ancestors, MarkSays mark);
Presence decide_presence(AncestorsSay ancestors, MarkSays mark, bool paths_live);

}  // namespace sluice
