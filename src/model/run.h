// A run: one execution of an ingestion, and what it counted. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace sluice {

enum class RunState { kPending, kRunning, kCompleted, kFailed, kCancelled };
std::string_view to_string(RunState state);
std::optional<RunState> parse_run_state(std::string_view text);
bool can_move(RunState from, RunState to);

enum class Trigger { kManual, kSchedule, kCli, kRetry };
std::string_view to_string(Trigger trigger);
std::optional<Trigger> parse_trigger(std::string_view text);

struct RunMetrics {
  int64_t files_processed = 0;  ///< loaded by batches that this run claimed
  int64_t files_failed = 0;
  int64_t files_skipped = 0;
  int64_t files_unchanged = 0;  ///< listed, already known at that version
  int64_t records_written = 0;
  int64_t rows_rescued = 0;
  int64_t rows_rejected = 0;
  int64_t bytes_processed = 0;  ///< as stored

  bool operator==(const RunMetrics&) const = default;
};

struct RunRecord {
  RunId id;
  IngestionId ingestion;
  int64_t sequence = 0;  ///< per ledger, rising: "latest first" orders by it
  Trigger trigger = Trigger::kCli;
  RunState state = RunState::kPending;
  std::string holder;  ///< worker that executes it
  Timestamp started_at;
  std::optional<Timestamp> completed_at;
  RunMetrics metrics;
  std::vector<std::string> schema_changes;  ///< "add column city string", ...
  std::vector<int64_t> snapshots;
  std::string error;  ///< empty: none
};

}  // namespace sluice
