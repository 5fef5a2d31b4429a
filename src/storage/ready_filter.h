// Which listed files are to be loaded now: ignore patterns, age, marker (Ready). Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/ingestion.h"
#include "storage/glob.h"
#include "storage/object_store.h"

namespace sluice {

/// kIgnored: as if it were not there; kWaiting: younger than min_age, or without its marker; kBefore: it is there, and was changed too
/// early.
enum class Readiness { kReady, kIgnored, kWaiting, kBefore };

class ReadyFilter {
 public:
  static Result<ReadyFilter> make(ObjectStore& store, const Ready& ready, Clock& clock, std::span<const std::string> own_folders = {});

  /// By its name alone: an ignored name, or the marker itself. Folders end in "/".
  bool ignores(const Glob& glob, std::string_view path);
  /// The own folders in which something was passed over since the last call.
  std::vector<std::string> take_passed_over();
  /// May ask the store for a marker, once per folder.
  Result<Readiness> ask(const Glob& glob, const ListedFile& file, Context& context);

 private:
  ReadyFilter(ObjectStore& store, Ready ready, Clock& clock) : store_(&store), ready_(std::move(ready)), clock_(&clock) {}

  bool is_own(const Glob& glob, std::string_view path);
  bool ignores_names(std::string_view names) const;
  Result<bool> has_marker(std::string_view path, Context& context);

  ObjectStore* store_;
  Ready ready_;
  Clock* clock_;
  std::vector<Glob> name_patterns_;
  std::vector<Glob> path_patterns_;
  std::vector<std::string> own_folders_;
  std::set<std::string, std::less<>> passed_over_, told_;  // of own_folders_
  std::map<std::string, bool, std::less<>> markers_;       // by folder
  std::string last_folder_;                                // of the last answer: neighbours in a listing share it
  size_t last_below_begin_ = 0;
  bool last_folder_ignored_ = false;
};

}  // namespace sluice
