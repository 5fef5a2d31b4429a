#include "fault_plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice {

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::kFailBefore: return "fail before";
    case FaultKind::kFailAfter: return "fail after";
    case FaultKind::kUnknownWithout: return "unknown without effect";
    case FaultKind::kUnknownLate: return "unknown with late effect";
    case FaultKind::kCrashBefore: return "crash before";
    case FaultKind::kCrashAfter: return "crash after";
    case FaultKind::kStall: return "stall";
  }
  return "?";
}

FaultPlan::FaultPlan(std::vector<Fault> faults) {
  for (Fault& fault : faults) faults_.push_back({std::move(fault)});
}

std::optional<Fault> FaultPlan::next(std::string_view operation, Effect effect) {
  std::optional<Fault> due = count_one(operation, effect);
  if (!due || due->kind != FaultKind::kStall) return due;
  due->meanwhile();  // not under our lock: others may use this plan
  return std::nullopt;
}

std::optional<Fault> FaultPlan::count_one(std::string_view operation, Effect effect) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Fault{.kind = FaultKind::kCrashBefore};
  operations_.push_back({std::string(operation), effect});
  std::optional<Fault> due;
  for (Armed& armed : faults_) {
    if (!operation.starts_with(armed.fault.operation)) continue;
    ++armed.seen;
    if (armed.fired || armed.seen != armed.fault.at || due) continue;
    armed.fired = true;
    due = armed.fault;
  }
  if (due) {
    operations_.back().name += '!';
    crashed_ = due->kind == FaultKind::kCrashBefore || due->kind == FaultKind::kCrashAfter;
  }
  return due;
}

void FaultPlan::restart() {
  const std::lock_guard lock(mutex_);
  crashed_ = false;
}

int64_t FaultPlan::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(operations_.size());
}

bool FaultPlan::fired() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(faults_.begin(), faults_.end(), [](const Armed& armed) { return armed.fired; });
}

bool FaultPlan::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

std::vector<FaultPlan::Operation> FaultPlan::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::vector<std::string> FaultPlan::trace() const {
  std::vector<std::string> names;
  for (Operation& operation : operations()) names.push_back(std::move(operation.name));
  return names;
}

Error FaultPlan::error_of(std::string_view operation, FaultKind kind, Effect effect) {
  const auto error = [&](ErrorCode code, std::string_view what) { return Error{code, fmt::format("{}: {} (fault)", operation, what)}; };
  switch (kind) {
    case FaultKind::kCrashBefore:
    case FaultKind::kCrashAfter: return error(ErrorCode::kCancelled, "the process died");
    case FaultKind::kFailBefore: return error(ErrorCode::kUnavailable, "refused");
    case FaultKind::kFailAfter:
    case FaultKind::kUnknownWithout:
    case FaultKind::kUnknownLate:
    case FaultKind::kStall: break;
  }
  if (effect == Effect::kWrite) return error(ErrorCode::kOutcomeUnknown, "no answer");
  return error(ErrorCode::kUnavailable, "no answer");
}

}  // namespace sluice
