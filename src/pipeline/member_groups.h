// The members of a batch by the archive that they lie in: each group is read in one pass. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "model/file.h"

namespace sluice {

struct MemberGroup {
  std::string archive;
  std::vector<size_t> indexes;  ///< in the batch
  bool is_share = false;        ///< of a group that was split: not to be split again

  std::vector<const ClaimedFile*> files(const std::vector<ClaimedFile>& batch) const;
  /// Keeps one of `count` about equal shares and gives the others away.
  std::vector<MemberGroup> split_off_shares(size_t count);
};

/// Members of one archive lie beside one another in a batch, which is ordered by path.
std::deque<MemberGroup> member_groups(const std::vector<ClaimedFile>& batch);

}  // namespace sluice
