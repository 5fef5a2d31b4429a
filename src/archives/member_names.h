// Names of members as an archive writes them -> relative paths that are unique in it, or the reason why not. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "archives/member_pass.h"

namespace sluice {

inline constexpr int kMemberDepthMax = 64;  ///< folders above a member

class MemberNames {
 public:
  /// Sets the member's name from `raw` (UTF-8 or any bytes): without "./" and doubled slashes, "x.csv#2" where "x.csv" was there before.
  /// BadName, and a name that can be shown: absolute, leading out by "..", nested deeper than kMemberDepthMax, no UTF-8, empty.
  void set_name(Member& member, std::string_view raw);

 private:
  /// The number that the next one of this name tries, and whether this is the first.
  std::pair<int*, bool> take(std::string_view name);

  std::unordered_map<uint64_t, int> taken_;  // by hashes: a false hit costs a suffix, the same in every pass
};

/// What an old zip means by its bytes: IBM code page 437.
std::string from_code_page_437(std::string_view bytes);

}  // namespace sluice
