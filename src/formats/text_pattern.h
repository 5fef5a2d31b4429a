// A regular expression without named groups: for values of a column, and for what a path says. Not thread-safe; a copy is cheap and
// serves another thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice {

class TextPattern {
 public:
  /// Syntax of PCRE2, text is UTF-8, limits as of a LinePattern. kInvalidInput: the pattern is broken (with the place) or too long.
  static Result<TextPattern> compile(const std::string& pattern);
  TextPattern(const TextPattern& other);
  TextPattern(TextPattern&&) noexcept;
  TextPattern& operator=(TextPattern&&) noexcept;
  ~TextPattern();

  bool has_group() const;
  /// From the first to the last byte. False also where it would take too many steps to tell, or `text` is no UTF-8.
  bool matches_whole(std::string_view text);
  struct Found {
    std::optional<std::string> first_group;  ///< nullopt: it took no part
  };
  /// Somewhere in `text`; nullopt: nowhere.
  std::optional<Found> find(std::string_view text);

 private:
  struct Compiled;
  struct Matching;
  TextPattern(std::shared_ptr<const Compiled> compiled);

  std::shared_ptr<const Compiled> compiled_;
  std::unique_ptr<Matching> matching_;
};

}  // namespace sluice
