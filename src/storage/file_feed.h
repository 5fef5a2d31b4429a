// Where file names come from: a listing, an explicit list, later a queue. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "model/file.h"

namespace sluice {

struct FeedPage {
  std::vector<ListedFile> files;
  bool last = false;
  bool in_byte_order = true;           ///< false as soon as this feed was seen out of order; earlier pages count too
  std::vector<Error> warnings;         ///< what could not be listed; shown, counted, not fatal
  std::vector<ListedFile> bad_names;   ///< to be recorded as SKIPPED BadName: not UTF-8, or above kFilePathBytesMax; not in `files`
  int64_t waiting = 0;                 ///< left out for now: younger than min_age, or without their marker
  std::vector<std::string> unmatched;  ///< paths that matched no file at all; of listings: as given, on the last page
};

class FileFeed {
 public:
  virtual ~FileFeed() = default;
  virtual Result<FeedPage> next(Context& context) = 0;
};

}  // namespace sluice
