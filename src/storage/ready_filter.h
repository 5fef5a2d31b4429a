// Which listed files are to be loaded now: ignore patterns, age, marker (Ready). Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/ingestion.h"
#include "storage/glob.h"
#include "storage/object_store.h"

namespace sluice {

enum class Readiness { kReady, kIgnored, kWaiting };

class ReadyFilter {
 public:
  static Result<ReadyFilter> make(ObjectStore& store, const Ready& ready, Clock& clock);

  /// By its name alone: an ignored name, or the marker itself. Folders end in "/".
  bool ignores(const Glob& glob, std::string_view path);
  /// May ask the store for a marker, once per folder.
  Result<Readiness> ask(const Glob& glob, const ListedFile& file, Context& context);

 private:
  ReadyFilter(ObjectStore& store, Ready ready, Clock& clock) : store_(&store), ready_(std::move(ready)), clock_(&clock) {}

  bool ignores_names(std::string_view names) const;
  Result<bool> has_marker(std::string_view path, Context& context);

  ObjectStore* store_;
  Ready ready_;
  Clock* clock_;
  std::vector<Glob> name_patterns_;
  std::vector<Glob> path_patterns_;
  std::map<std::string, bool, std::less<>> markers_;  // by folder
  std::string last_folder_;                           // of the last answer: neighbours in a listing share it
  size_t last_below_begin_ = 0;
  bool last_folder_ignored_ = false;
};

}  // namespace sluice
