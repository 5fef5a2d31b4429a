// What a listed file does to a record that the ledger has of it. Pure.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ledger/work_ledger.h"

namespace sluice {

enum class Change { kNone, kDiscover, kSkip, kKeepLoaded };

/// What the history of committed batches says of a path: past_load_sql().
struct PastLoad {
  std::string version;
  int64_t rows = 0;
  std::string hash;  ///< content_hash of the version; empty: not known (a rebuild found it in the target)
};

/// A record as the write transaction sees it, at the version that the merge saw. As it begins where there is none yet.
struct KnownRecord {
  int64_t id = 0;
  FileState state = FileState::kDiscovered;
  std::string loaded_version;  ///< empty: none
};

struct Decision {
  Change change = Change::kNone;
  std::optional<PastLoad> loaded;  ///< what the record says from now on to be loaded; nullopt: what it said before
};

inline Decision decide(const KnownRecord& known, const std::optional<PastLoad>& past, const Seen& seen, OnChange on_change) {
  // Its batch works on the version it claimed; a later discovery finds the newer one again.
  if (known.state == FileState::kProcessing) return {};
  // The history knows more than a record of an older copy of the ledger.
  const std::string& loaded = past ? past->version : known.loaded_version;
  const bool some_loaded = !loaded.empty();
  const bool is_loaded = some_loaded && loaded == seen.file.version;  // what has vanished is seen without a version
  Decision decision{.loaded = past && past->version != known.loaded_version ? past : std::nullopt};
  if (is_loaded || (some_loaded && (!seen.skip_reason.empty() || on_change == OnChange::kIgnore))) {
    decision.change = Change::kKeepLoaded;
  } else {
    decision.change = seen.skip_reason.empty() ? Change::kDiscover : Change::kSkip;
  }
  return decision;
}

inline FileState state_after(Change change) {
  return change == Change::kDiscover ? FileState::kDiscovered : change == Change::kSkip ? FileState::kSkipped : FileState::kSuccess;
}

/// Asks for the PastLoad of a path; path, version (the listed one) and ingestion are SQL, `which` more conditions on batch_files f. Rows of
/// a table stay: the listed version where the table has it, else the newest. An object holds what was loaded last, whatever was before.
/// Batches are in the order of their ids: those that a rebuild found in the target have no number.
inline std::string past_load_sql(std::string_view path, std::string_view version, std::string_view ingestion, bool replaces,
                                 std::string_view which = {}) {
  const std::string_view group = replaces ? "f.version, f.batch_id" : "f.version";
  const std::string order = replaces ? "f.batch_id" : fmt::format("f.version = {} DESC, max(f.batch_id)", version);
  return fmt::format(
      "SELECT f.version, CAST(sum(f.row_count) AS bigint) AS row_count, max(f.content_hash) AS content_hash FROM batch_files f JOIN "
      "batches b ON b.id = f.batch_id "
      "WHERE f.file_path = {} AND f.forgotten = FALSE AND b.ingestion_id = {} AND b.state = 'COMMITTED'{} "
      "GROUP BY {} ORDER BY {} DESC LIMIT 1",
      path, ingestion, which, group, order);
}

/// The paths of an archive's members lie between these two, and no others do.
inline std::pair<std::string, std::string> member_range(std::string_view archive) {
  std::string first = member_path(archive, ""), end = first;
  ++end.back();
  return {std::move(first), std::move(end)};
}

}  // namespace sluice
