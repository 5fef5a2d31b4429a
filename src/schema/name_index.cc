#include "schema/name_index.h"

namespace sluice {

int NameIndex::add(std::string_view name) {
  const int position = static_cast<int>(names_.size());
  names_.emplace_back(name);
  first_.push_back(positions_.emplace(name, position).first->second);
  return position;
}

int NameIndex::find_slow(std::string_view name) {
  const auto found = positions_.find(name);
  if (found == positions_.end()) return -1;
  next_ = static_cast<size_t>(found->second) + 1;
  return found->second;
}

}  // namespace sluice
