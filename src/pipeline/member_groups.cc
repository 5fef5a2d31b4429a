#include "pipeline/member_groups.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace sluice {

std::vector<const ClaimedFile*> MemberGroup::files(const std::vector<ClaimedFile>& batch) const {
  std::vector<const ClaimedFile*> members;
  for (const size_t index : indexes) members.push_back(&batch[index]);
  return members;
}

std::vector<MemberGroup> MemberGroup::split_off_shares(size_t count) {
  is_share = true;
  const size_t share = (indexes.size() + count - 1) / std::max<size_t>(1, count);
  std::vector<MemberGroup> others;
  while (indexes.size() > share) {
    MemberGroup& other = others.emplace_back(archive, std::vector<size_t>{}, true);
    const auto from = indexes.end() - static_cast<std::ptrdiff_t>(std::min(share, indexes.size() - share));
    other.indexes.assign(from, indexes.end());
    indexes.erase(from, indexes.end());
  }
  return others;
}

std::deque<MemberGroup> member_groups(const std::vector<ClaimedFile>& batch) {
  std::map<std::pair<SourceId, std::string>, std::vector<size_t>> by_archive;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].archive.empty()) by_archive[{batch[i].source, batch[i].archive}].push_back(i);
  }
  std::deque<MemberGroup> groups;
  for (auto& [archive, indexes] : by_archive) groups.push_back({archive.second, std::move(indexes)});
  return groups;
}

}  // namespace sluice
