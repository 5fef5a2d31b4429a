// Reads an enumerator back from its name, through its own to_string: one table of names per enum.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

namespace sluice {

/// The one of `all` whose to_string is `text`.
template <class Enum>
std::optional<Enum> parse_enum(std::string_view text, std::initializer_list<Enum> all) {
  for (const Enum value : all) {
    if (to_string(value) == text) return value;
  }
  return std::nullopt;
}

}  // namespace sluice
