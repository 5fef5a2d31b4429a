// What a RescueRow wrote, member by member: {"column": value, ...}. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

/// Views of the text.
struct RescueMember {
  std::string_view key;   ///< a JSON string, as append_json_string() writes the column's name
  std::string_view json;  ///< the value
};

/// Of RescueRow::text(), in its order.
std::vector<RescueMember> rescue_members(std::string_view text);

/// What a JSON string says; nullopt: `json` is another value. The view is of `json` or of `scratch`.
std::optional<std::string_view> read_json_string(std::string_view json, std::string& scratch);

}  // namespace sluice
