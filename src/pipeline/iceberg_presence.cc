#include "pipeline/iceberg_presence.h"

#include <algorithm>

namespace sluice {

AncestorsSay ask_ancestors(const TableMetadata& metadata, int64_t snapshot_id, int64_t base_sequence_number) {
  const Ancestry ancestry = ancestors_of_main(metadata);
  for (const Snapshot* snapshot : ancestry.snapshots) {
    if (snapshot->snapshot_id == snapshot_id) return AncestorsSay::kThere;
  }
  // Ours would have a number above the base's: a chain that reaches down to the base has room for it only above.
  const bool reaches_base = !ancestry.snapshots.empty() && ancestry.snapshots.back()->sequence_number <= base_sequence_number;
  if (ancestry.start == Ancestry::Start::kFirst || reaches_base) return AncestorsSay::kNotThere;
  // Ours is still in the table, and main began anew without it: the table was replaced. An expiry would have taken ours as well.
  const bool replaced = ancestry.start == Ancestry::Start::kPerhapsFirst && metadata.find_snapshot(snapshot_id) != nullptr;
  return replaced ? AncestorsSay::kNotThere : AncestorsSay::kTruncated;
}

MarkSays ask_mark(const TargetState& state, const PreparedBatch& batch) {
  const auto& marks = batch.tracked ? state.marks : state.untracked_marks;
  auto it = marks.find(batch.ingestion);
  if (it == marks.end()) return MarkSays::kNoMark;
  const Mark& mark = it->second;
  const bool open = std::ranges::find(mark.open, batch.batch, &MarkEntry::batch) != mark.open.end();
  return open || (mark.last && mark.last->batch == batch.batch) ? MarkSays::kKnown : MarkSays::kNotKnown;
}

bool needs_paths(AncestorsSay ancestors, MarkSays mark) {
  if (ancestors == AncestorsSay::kThere) return false;
  return ancestors == AncestorsSay::kTruncated || mark == MarkSays::kKnown;
}

Presence decide_presence(AncestorsSay ancestors, MarkSays mark, bool paths_live) {
  if (ancestors == AncestorsSay::kThere || paths_live) return Presence::kPresent;
  if (ancestors == AncestorsSay::kNotThere) return mark == MarkSays::kKnown ? Presence::kRolledBack : Presence::kAbsent;
  switch (mark) {  // truncated: the mark decides
    case MarkSays::kKnown: return Presence::kPresent;
    case MarkSays::kNotKnown: return Presence::kAbsent;
    case MarkSays::kNoMark: return Presence::kUnprovable;
  }
  return Presence::kUnprovable;
}

}  // namespace sluice
