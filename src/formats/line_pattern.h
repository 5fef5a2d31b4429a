// A regular expression with named groups, for lines of text. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice {

/// Steps of backtracking on one line. A pattern that needs more is taken for one that would never end on this line.
inline constexpr uint32_t kPatternStepsMax = 250'000;
/// Memory for backtracking.
inline constexpr uint32_t kPatternHeapKibMax = 8 * 1024;
inline constexpr size_t kPatternBytesMax = 10'000;

class LinePattern {
 public:
  enum class Match { kYes, kNo, kTooManySteps };

  /// Syntax of PCRE2, text is UTF-8. kInvalidInput: the pattern is broken (with the place), has no named group, or more than
  /// kPatternBytesMax bytes.
  static Result<LinePattern> compile(const std::string& pattern);

  /// Names of the groups, in the order in which they open.
  const std::vector<std::string>& names() const { return names_; }

  /// Searches `line` (valid UTF-8) and fills one text for each name; one with data() == nullptr took no part.
  Match match(std::string_view line, std::span<std::string_view> groups);

 private:
  struct Compiled;
  struct Free {
    void operator()(Compiled* compiled) const;
  };
  std::unique_ptr<Compiled, Free> compiled_;
  std::vector<std::string> names_;
  std::vector<uint32_t> numbers_;  ///< of the groups
};

}  // namespace sluice
