// Where file names come from: a listing, an explicit list, later a queue. Not thread-safe.
#pragma once

#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "model/file.h"

namespace sluice {

struct FeedPage {
  std::vector<ListedFile> files;
  bool last = false;
  bool in_byte_order = true;    ///< false as soon as this feed was seen out of order; earlier pages count too
  std::vector<Error> warnings;  ///< what could not be listed; shown, counted, not fatal
};

class FileFeed {
 public:
  virtual ~FileFeed() = default;
  virtual Result<FeedPage> next(Context& context) = 0;
};

}  // namespace sluice
