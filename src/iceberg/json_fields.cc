#include "iceberg/json_fields.h"

#include <fmt/format.h>

namespace sluice {
namespace {

// nlohmann prints and destroys recursively: text from outside must not choose how deep.
bool nested_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kJsonDepthMax) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view what) {
  if (nested_too_deep(text)) return fail(ErrorCode::kCorruption, fmt::format("{}: nested deeper than {} levels", what, kJsonDepthMax));
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
