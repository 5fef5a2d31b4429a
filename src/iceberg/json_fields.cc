#include "iceberg/json_fields.h"

#include <fmt/format.h>

#include "base/json_depth.h"

namespace sluice {

Result<nlohmann::json> parse_json(std::string_view text, std::string_view what) {
  if (nested_too_deep(text, kJsonDepthMax))
    return fail(ErrorCode::kCorruption, fmt::format("{}: nested deeper than {} levels", what, kJsonDepthMax));
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return fail(ErrorCode::kCorruption, fmt::format("{}: not valid JSON", what));
  return json;
}

Result<std::string> print_json(const nlohmann::json& json, std::string_view what) {
  try {
    return json.dump();
  } catch (const nlohmann::json::exception& error) {
    return invalid_input(fmt::format("{}: {}", what, error.what()));
  }
}

std::map<std::string, std::string> JsonFields::text_map(const char* key) {
  std::map<std::string, std::string> map;
  const nlohmann::json* value = find(key);
  if (value == nullptr) return map;
  if (!value->is_object()) fail(fmt::format("key \"{}\" is not an object", key));
  if (!value->is_object()) return map;
  for (const auto& [name, text] : value->items()) {
    if (!text.is_string()) fail(fmt::format("key \"{}.{}\" is not a string", key, name));
    if (text.is_string()) map[name] = text.get<std::string>();
  }
  return map;
}

const nlohmann::json& JsonFields::array(const char* key) {
  static const nlohmann::json kNone = nlohmann::json::array();
  const nlohmann::json* value = find(key);
  if (value == nullptr) return kNone;
  if (value->is_array()) return *value;
  fail(fmt::format("key \"{}\" is not an array", key));
  return kNone;
}

std::string JsonFields::rest() const {
  if (!object_.is_object()) return "";
  nlohmann::json rest = nlohmann::json::object();
  for (const auto& [key, value] : object_.items()) {
    if (!seen_.contains(key)) rest[key] = value;
  }
  return rest.empty() ? "" : rest.dump();
}

}  // namespace sluice
