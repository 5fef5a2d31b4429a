#include "model/run.h"

#include "model/enum_names.h"

namespace sluice {

std::string_view to_string(RunState state) {
  switch (state) {
    case RunState::kPending: return "PENDING";
    case RunState::kRunning: return "RUNNING";
    case RunState::kCompleted: return "COMPLETED";
    case RunState::kFailed: return "FAILED";
    case RunState::kCancelled: return "CANCELLED";
  }
  return "";
}

std::optional<RunState> parse_run_state(std::string_view text) {
  using enum RunState;
  return parse_enum(text, {kPending, kRunning, kCompleted, kFailed, kCancelled});
}

bool can_move(RunState from, RunState to) {
  using enum RunState;
  switch (from) {
    case kPending: return to == kRunning || to == kFailed || to == kCancelled;
    case kRunning: return to == kCompleted || to == kFailed || to == kCancelled;
    default: return false;
  }
}

std::string_view to_string(Trigger trigger) {
  switch (trigger) {
    case Trigger::kManual: return "manual";
    case Trigger::kSchedule: return "schedule";
    case Trigger::kCli: return "cli";
    case Trigger::kRetry: return "retry";
  }
  return "";
}

std::optional<Trigger> parse_trigger(std::string_view text) {
  using enum Trigger;
  return parse_enum(text, {kManual, kSchedule, kCli, kRetry});
}

}  // namespace sluice
