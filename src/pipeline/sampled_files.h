// Small files that were read whole to infer the columns of a new table. Staging takes them from here, so that each is asked of its store
// once. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"
#include "model/file.h"

namespace sluice {

/// Of all files that are kept at once; what does not fit is read again.
inline constexpr int64_t kSampledBytesMax = 64 * kMiB;

class SampledFiles {
 public:
  /// Keeps the bytes that the file has at its claimed version, while there is room.
  void keep(const ClaimedFile& file, std::string_view bytes);
  /// Hands the bytes over and forgets them; nullopt: the file is not here at this version.
  std::optional<std::string> take(const ClaimedFile& file);

 private:
  struct Kept {
    std::string version;
    std::string bytes;
  };

  std::mutex mutex_;
  // Protected by mutex_.
  std::map<std::string, Kept, std::less<>> by_path_;
  int64_t bytes_ = 0;
};

}  // namespace sluice
