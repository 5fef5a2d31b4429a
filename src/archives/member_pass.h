// One pass over what a file holds as files of its own: the members of an archive. Values and an interface; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

struct Member {
  std::string name;  ///< relative, "/" between its parts, unique in its archive: the second "x.csv" is "x.csv#2"
  int64_t size_bytes = 0;
  Timestamp modified_at;
  std::string problem_type;  ///< not empty: it cannot be a file to load: error_type "BadName" or "NotAFile"
  std::string problem;       ///< the reason, for people
};

/// Bytes of a member. `random_access`: any range can be opened at little cost, any number of times; else they are opened from their
/// beginning. `comes_once`: of what was read only the first kReopenBytesMax can be had again.
struct MemberBytes {
  std::unique_ptr<Blob> blob;
  bool random_access = false;
  bool comes_once = false;
};

/// The members in the order in which they lie in their archive; folders are passed over. Errors of all calls: BadArchive, Encrypted,
/// TooLarge, Unreadable (kInvalidInput), and what the archive's own bytes answer (ChangedWhileRead, Unavailable).
class MemberPass {
 public:
  virtual ~MemberPass() = default;
  /// nullopt: that was all. The bytes of the member before cannot be read any more.
  virtual Result<std::optional<Member>> next(Context& context) = 0;
  /// What tells the content of the member at hand from another: "<size>-<checksum>". The checksum is the archive's own where it keeps one
  /// of content (zip); else it is taken from the bytes, which then cannot be opened.
  virtual Result<std::string> version(Context& context) = 0;
  /// The member's bytes, valid until next(). Those of another `version` (empty: any) end in kConflict, at the latest where they end.
  virtual Result<MemberBytes> open(const std::string& version, Context& context) = 0;
};

}  // namespace sluice
