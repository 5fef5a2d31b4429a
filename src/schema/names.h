// Column names as SQL engines compare them: without regard to case. Values.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace sluice {

/// Lower case of ASCII, Latin-1, Greek and Cyrillic letters; other characters, and bytes that are no UTF-8, stay.
std::string fold_case(std::string_view name);

class FoldedNames {
 public:
  /// The first of several names that fold to the same is kept.
  void add(const std::string& name) { names_.emplace(fold_case(name), name); }
  /// The name that was added first and folds to the same; nullptr: none.
  const std::string* find(std::string_view name) const {
    const auto found = names_.find(fold_case(name));
    return found == names_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace sluice
