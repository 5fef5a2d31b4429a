// Text of the model's stored JSON documents ({"v": 1, ...}): writing never fails, reading answers errors instead of throwing.
// For this folder's .cc files only: it shows the JSON library.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace sluice {

/// One line of JSON. Bytes that are no UTF-8 become U+FFFD: no stored document has room for them.
inline std::string to_text(const nlohmann::json& json) { return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

/// Parses `text` and hands it to `read`, which may use the throwing accessors. `what` names the document in errors.
/// kCorruption: no JSON, or a field is missing or of another type; kInvalidInput: written by a newer program.
template <class Read>
auto read_versioned(std::string_view what, std::string_view text, int version_known, Read&& read)
    -> Result<decltype(read(nlohmann::json()))> {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    const int version = json.at("v").get<int>();
    if (version > version_known) {
      return invalid_input(std::string(what) + ": was written by a newer program (version " + std::to_string(version) + "): use that one");
    }
    return read(json);
  } catch (const nlohmann::json::exception& e) {
    return fail(ErrorCode::kCorruption, std::string(what) + ": " + e.what());
  }
}

/// Leaves a member out where it has no value; reads a missing or null member as nullopt.
template <class T>
void put_optional(nlohmann::json& json, const char* name, const std::optional<T>& value) {
  if (value) json[name] = *value;
}

template <class T>
std::optional<T> get_optional(const nlohmann::json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return found->get<T>();
}

}  // namespace sluice
