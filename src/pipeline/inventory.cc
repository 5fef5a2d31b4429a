#include "pipeline/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr size_t kEndingBytesMax = 10;  // of a name: longer ones say nothing

InventoryState state_of(FileState state) {
  switch (state) {
    case FileState::kDiscovered: return InventoryState::kPending;
    case FileState::kProcessing: return InventoryState::kInProgress;
    case FileState::kSuccess: return InventoryState::kDone;
    case FileState::kFailed: return InventoryState::kFailed;
    case FileState::kSkipped: return InventoryState::kSkipped;
  }
  return InventoryState::kPending;
}

/// "csv" of "dir/a.CSV"; empty where the name has no ending.
std::string ending_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kEndingBytesMax) return "";
  return lower_case(name.substr(dot + 1));
}

InventoryLine line_of(const FileRecord& file) {
  InventoryLine line{file.path, file.size_bytes, file.format.empty() ? ending_of(file.path) : file.format, state_of(file.state), "",
                     0,         file.archive};
  if (line.state == InventoryState::kDone) line.rows = file.rows;
  if (line.state == InventoryState::kFailed || line.state == InventoryState::kSkipped) {
    line.reason = file.error_message.empty() ? file.error_type : file.error_message;
  }
  return line;
}

void count(InventoryCounts& counts, InventoryState state) {
  switch (state) {
    case InventoryState::kPending: ++counts.pending; break;
    case InventoryState::kInProgress: ++counts.in_progress; break;
    case InventoryState::kDone: ++counts.done; break;
    case InventoryState::kFailed: ++counts.failed; break;
    case InventoryState::kSkipped: ++counts.skipped; break;
  }
}

/// Holds lines back until the members of every archive among them have passed: in order of path they follow it closely.
class ArchiveRoll {
 public:
  explicit ArchiveRoll(std::function<Result<void>(const InventoryLine&)> visit) : visit_(std::move(visit)) {}

  Result<void> add(InventoryLine line) {
    if (!held_.empty() && line.name >= end_) TRY(flush());
    end_ = std::max(end_, members_end(line.name));
    for (std::string archive = line.archive; !archive.empty();) {
      const auto of = std::ranges::find(held_, archive, [](const Held& held) { return held.line.name; });
      if (of == held_.end()) break;
      note(*of, line);
      archive = of->line.archive;
    }
    held_.push_back({std::move(line)});
    return {};
  }

  Result<void> flush() {
    for (Held& held : held_) {
      if (held.line.state == InventoryState::kDone && held.failed > 0) {
        held.line.state = InventoryState::kFailed;
        held.line.reason = fmt::format("{} of {} member(s) failed; first: {}", held.failed, held.members, held.first_failure);
      } else if (held.line.state == InventoryState::kDone && held.unfinished > 0) {
        held.line.state = InventoryState::kPending;
      }
      TRY(visit_(held.line));
    }
    held_.clear();
    end_.clear();
    return {};
  }

 private:
  struct Held {
    InventoryLine line;
    int64_t members = 0, failed = 0, unfinished = 0;
    std::string first_failure = {};
  };

  /// Every path of a member of `name` is below this, and above `name`.
  static std::string members_end(std::string name) {
    name += kMemberMark;
    ++name.back();
    return name;
  }

  static void note(Held& archive, const InventoryLine& member) {
    ++archive.members;
    archive.unfinished += member.state == InventoryState::kPending || member.state == InventoryState::kInProgress;
    if (member.state != InventoryState::kFailed) return;
    if (archive.failed++ == 0) archive.first_failure = member.reason;
  }

  const std::function<Result<void>(const InventoryLine&)> visit_;
  std::vector<Held> held_;
  std::string end_;
};

}  // namespace

std::string_view to_string(InventoryState state) {
  switch (state) {
    case InventoryState::kPending: return "pending";
    case InventoryState::kInProgress: return "in_progress";
    case InventoryState::kDone: return "done";
    case InventoryState::kFailed: return "failed";
    case InventoryState::kSkipped: return "skipped";
  }
  return "";
}

Result<Inventory> visit_inventory(History& history, const IngestionId& ingestion,
                                  const std::function<Result<void>(const InventoryLine&)>& visit) {
  Inventory inventory;
  ArchiveRoll roll([&](const InventoryLine& line) {
    count(line.archive.empty() ? inventory.files : inventory.members, line.state);
    return visit(line);
  });
  TRY(history.visit_files(ingestion, [&](const FileRecord& file) { return roll.add(line_of(file)); }));
  TRY(roll.flush());
  return inventory;
}

}  // namespace sluice
