// Limits of one archive against bombs: how many members, how much they may unpack to. Not thread-safe.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/units.h"

namespace sluice {

inline constexpr int64_t kArchiveMembersMax = 250'000;          ///< also bounds what is held of an archive while it is listed, ~100 MB
inline constexpr int64_t kMemberBytesMax = 1024 * kGiB;         ///< unpacked, each
inline constexpr int64_t kUnpackedBytesMax = 16 * 1024 * kGiB;  ///< unpacked, all together
inline constexpr int64_t kUnpackedFreeBytes = kGiB;             ///< up to here nobody asks for the ratio
inline constexpr int64_t kUnpackedRatioMax = 1000;              ///< unpacked bytes per byte of the archive

class MemberBudget {
 public:
  explicit MemberBudget(int64_t stored_bytes) : stored_bytes_(stored_bytes) {}

  /// One member more, of this unpacked size. TooLarge, as an error of the archive: a limit is crossed.
  Result<void> take(int64_t size_bytes);

 private:
  const int64_t stored_bytes_;
  int64_t members_ = 0, unpacked_ = 0;
};

/// Errors of archives and members, with their types.
Error bad_archive(std::string message);
Error archive_too_large(std::string message);
Error archive_encrypted(std::string message);

}  // namespace sluice
