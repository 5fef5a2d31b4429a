// Names -> positions, fast where names come in the same order row after row. Not thread-safe (it remembers the last hit).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice {

class NameIndex {
 public:
  /// Adds a name after the others and returns its position; a repeated name keeps the first position for find().
  int add(std::string_view name);

  /// -1: not there. Tries the name after the last one found first.
  int find(std::string_view name) {
    size_t guess = next_ < names_.size() ? next_ : 0;
    if (guess < names_.size() && names_[guess] == name) {
      next_ = guess + 1;
      return first_[guess];
    }
    return find_slow(name);
  }

  size_t size() const { return names_.size(); }
  const std::string& name(size_t position) const { return names_[position]; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  int find_slow(std::string_view name);

  std::vector<std::string> names_;
  std::vector<int> first_;  ///< position of the first occurrence of the name
  std::unordered_map<std::string, int, Hash, std::equal_to<>> positions_;
  size_t next_ = 0;
};

}  // namespace sluice
