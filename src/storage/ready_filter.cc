#include "storage/ready_filter.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr size_t kMarkerFoldersMax = 10'000;  // remembered; then all are asked for again

}  // namespace

Result<ReadyFilter> ReadyFilter::make(ObjectStore& store, const Ready& ready, Clock& clock, std::span<const std::string> own_folders) {
  ReadyFilter filter(store, ready, clock);
  filter.own_folders_.assign(own_folders.begin(), own_folders.end());
  for (const std::string& pattern : ready.ignore) {
    TRY_ASSIGN(Glob glob, Glob::parse(pattern));
    (pattern.contains('/') ? filter.path_patterns_ : filter.name_patterns_).push_back(std::move(glob));
  }
  return filter;
}

bool ReadyFilter::is_own(const Glob& glob, std::string_view path) {
  for (const std::string& folder : own_folders_) {
    if (!path.starts_with(folder)) continue;
    const std::string_view fixed = glob.fixed_folder();  // of a folder that was named without its slash, too
    if (fixed.starts_with(folder) || fixed == std::string_view(folder).substr(0, folder.size() - 1)) continue;
    passed_over_.insert(folder);
    return true;
  }
  return false;
}

std::vector<std::string> ReadyFilter::take_passed_over() {
  std::vector<std::string> fresh;
  for (const std::string& folder : passed_over_) {
    if (told_.insert(folder).second) fresh.push_back(folder);
  }
  passed_over_.clear();
  return fresh;
}

bool ReadyFilter::ignores(const Glob& glob, std::string_view path) {
  if (path == glob.text()) return false;
  if (is_own(glob, path)) return true;
  std::string_view below = path.substr(std::min(glob.fixed_folder().size(), path.size()));
  if (below.starts_with('/')) below.remove_prefix(1);  // of a folder that was named without its slash
  const auto matches_below = [below](const Glob& pattern) { return pattern.matches(below); };
  if (std::any_of(path_patterns_.begin(), path_patterns_.end(), matches_below)) return true;

  const size_t name_begin = path.rfind('/') + 1;
  const size_t below_begin = path.size() - below.size();
  if (name_begin > below_begin) {
    const std::string_view folder = path.substr(0, name_begin);
    if (folder != last_folder_ || below_begin != last_below_begin_) {
      last_folder_ignored_ = ignores_names(folder.substr(below_begin));
      last_folder_ = folder;
      last_below_begin_ = below_begin;
    }
    if (last_folder_ignored_) return true;
  }
  const std::string_view name = path.substr(std::max(name_begin, below_begin));
  return ignores_names(name) || (!ready_.marker.empty() && path.substr(name_begin) == ready_.marker);
}

bool ReadyFilter::ignores_names(std::string_view names) const {
  while (!names.empty()) {
    const size_t end = std::min(names.find('/'), names.size());
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    if (name.empty()) continue;
    for (const Glob& pattern : name_patterns_) {
      if (pattern.matches(name)) return true;
    }
  }
  return false;
}

Result<Readiness> ReadyFilter::ask(const Glob& glob, const ListedFile& file, Context& context) {
  if (ignores(glob, file.path)) return Readiness::kIgnored;
  if (ready_.modified_after && file.modified_at <= *ready_.modified_after) return Readiness::kBefore;
  if (ready_.min_age.count() > 0 && clock_->now() - file.modified_at < ready_.min_age) return Readiness::kWaiting;
  if (ready_.marker.empty()) return Readiness::kReady;
  TRY_ASSIGN(const bool marked, has_marker(file.path, context));
  return marked ? Readiness::kReady : Readiness::kWaiting;
}

Result<bool> ReadyFilter::has_marker(std::string_view path, Context& context) {
  const std::string_view folder = path.substr(0, path.rfind('/') + 1);
  if (const auto known = markers_.find(folder); known != markers_.end()) return known->second;
  const Result<ObjectInfo> marker = store_->stat(Key(folder) + ready_.marker, context);
  if (!marker && marker.error().code != ErrorCode::kNotFound) return std::unexpected(marker.error());
  if (markers_.size() == kMarkerFoldersMax) markers_.clear();
  return markers_.emplace(folder, marker.has_value()).first->second;
}

}  // namespace sluice
