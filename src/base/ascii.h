// Letters, digits and blanks of ASCII in UTF-8 text, whatever the locale. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

inline char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// A to Z become a to z; all else stays.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = lower_case(c);
  return lower;
}

/// Without spaces, tabs and line ends around it.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace sluice
