// What a listed file does to a record that the ledger has of it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "ledger/work_ledger.h"

namespace sluice {

enum class Change { kNone, kDiscover, kSkip, kKeepLoaded };

/// A record as the write transaction sees it, at the version that the merge saw.
struct KnownRecord {
  int64_t id = 0;
  FileState state = FileState::kDiscovered;
  bool loaded = false;         ///< some version of it
  bool loaded_before = false;  ///< the version that was listed
};

inline Change change_of(const KnownRecord& known, const Seen& seen, OnChange on_change) {
  // Its batch works on the version it claimed; a later discovery finds the newer one again.
  if (known.state == FileState::kProcessing) return Change::kNone;
  if (known.loaded_before) return Change::kKeepLoaded;
  if (!seen.skip_reason.empty()) return known.loaded ? Change::kKeepLoaded : Change::kSkip;
  if (known.loaded && on_change == OnChange::kIgnore) return Change::kKeepLoaded;
  return Change::kDiscover;
}

/// The paths of an archive's members lie between these two, and no others do.
inline std::pair<std::string, std::string> member_range(std::string_view archive) {
  std::string first = member_path(archive, ""), end = first;
  ++end.back();
  return {std::move(first), std::move(end)};
}

}  // namespace sluice
