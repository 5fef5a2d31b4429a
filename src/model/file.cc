#include "model/file.h"

#include "model/enum_names.h"

namespace sluice {

std::string_view to_string(FileState state) {
  switch (state) {
    case FileState::kDiscovered: return "DISCOVERED";
    case FileState::kProcessing: return "PROCESSING";
    case FileState::kSuccess: return "SUCCESS";
    case FileState::kFailed: return "FAILED";
    case FileState::kSkipped: return "SKIPPED";
  }
  return "";
}

std::optional<FileState> parse_file_state(std::string_view text) {
  using enum FileState;
  return parse_enum(text, {kDiscovered, kProcessing, kSuccess, kFailed, kSkipped});
}

bool can_move(FileState from, FileState to) {
  using enum FileState;
  switch (from) {
    // To SUCCESS: the version that lies there is one that was loaded before ("v1 is back").
    case kDiscovered: return to == kProcessing || to == kSuccess || to == kSkipped;
    case kProcessing: return to != kProcessing;
    case kSuccess: return to == kDiscovered;
    case kFailed: return to == kProcessing || to == kDiscovered || to == kSuccess || to == kSkipped;
    case kSkipped: return to == kDiscovered || to == kSuccess;
  }
  return false;
}

std::string member_path(std::string_view archive, std::string_view name) {
  std::string path(archive);
  path += kMemberMark;
  path += name;
  return path;
}

std::string_view short_name(const ClaimedFile& file) {
  const std::string_view path = file.path;
  const std::string_view listed = file.archive.empty() ? path : path.substr(0, path.find(kMemberMark));
  return path.substr(listed.rfind('/') + 1);
}

std::string_view to_string(FileOutcome outcome) {
  switch (outcome) {
    case FileOutcome::kLoaded: return "LOADED";
    case FileOutcome::kUnchanged: return "UNCHANGED";
    case FileOutcome::kFailed: return "FAILED";
    case FileOutcome::kSkipped: return "SKIPPED";
    case FileOutcome::kReleased: return "RELEASED";
    case FileOutcome::kRefused: return "REFUSED";
    case FileOutcome::kExpanded: return "EXPANDED";
  }
  return "";
}

std::optional<FileOutcome> parse_file_outcome(std::string_view text) {
  using enum FileOutcome;
  return parse_enum(text, {kLoaded, kUnchanged, kFailed, kSkipped, kReleased, kRefused, kExpanded});
}

}  // namespace sluice
