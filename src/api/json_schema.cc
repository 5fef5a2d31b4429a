#include "api/json_schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;

bool is_of_type(const json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "number") return value.is_number();
  return value.is_number_integer();
}

std::vector<std::string> types_of(const json& type) {
  if (type.is_string()) return {type.get<std::string>()};
  return type.get<std::vector<std::string>>();
}

/// As JSON Schema counts: code points.
size_t length_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

class Checker {
 public:
  explicit Checker(const json& document) : document_(document) {}

  void check(const json& value, const json& given, const std::string& field) {
    if (errors.size() >= kFieldErrorsMax) return;
    const json& schema = given.contains("$ref") ? document_.at(json::json_pointer(given["$ref"].get<std::string>().substr(1))) : given;
    if (schema.contains("type")) {
      const auto types = types_of(schema["type"]);
      if (std::ranges::none_of(types, [&](const std::string& type) { return is_of_type(value, type); })) {
        return add(field, fmt::format("expected {}, found {}", fmt::join(types, " or "), value.type_name()));
      }
    }
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end()) {
      return add(field, fmt::format("expected one of {}", schema["enum"].dump()));
    }
    if (value.is_string()) check_text(value, schema, field);
    if (value.is_number()) check_number(value, schema, field);
    if (value.is_array()) check_array(value, schema, field);
    if (value.is_object()) check_object(value, schema, field);
  }

  std::vector<FieldError> errors;

 private:
  void add(const std::string& field, std::string reason) { errors.push_back({field, std::move(reason)}); }

  void check_text(const json& value, const json& schema, const std::string& field) {
    const size_t length = length_of(value.get_ref<const std::string&>());
    if (schema.contains("minLength") && length < schema["minLength"])
      add(field, fmt::format("shorter than {}", schema["minLength"].dump()));
    if (schema.contains("maxLength") && length > schema["maxLength"]) {
      add(field, fmt::format("longer than {} characters", schema["maxLength"].dump()));
    }
    // A NUL ends text in SQLite's, PostgreSQL's and the system's eyes: what is checked would not be what is used.
    if (value.get_ref<const std::string&>().find('\0') != std::string::npos) add(field, "holds a NUL character");
  }

  void check_number(const json& value, const json& schema, const std::string& field) {
    if (schema.contains("minimum") && value < schema["minimum"]) add(field, fmt::format("less than {}", schema["minimum"].dump()));
    if (schema.contains("maximum") && value > schema["maximum"]) add(field, fmt::format("more than {}", schema["maximum"].dump()));
  }

  void check_array(const json& value, const json& schema, const std::string& field) {
    if (schema.contains("minItems") && value.size() < schema["minItems"])
      add(field, fmt::format("needs {} or more", schema["minItems"].dump()));
    if (schema.contains("maxItems") && value.size() > schema["maxItems"]) {
      return add(field, fmt::format("more than {} entries", schema["maxItems"].dump()));
    }
    if (!schema.contains("items")) return;
    for (size_t i = 0; i < value.size(); ++i) check(value[i], schema["items"], fmt::format("{}[{}]", field, i));
  }

  void check_object(const json& value, const json& schema, const std::string& field) {
    const auto below = [&](const std::string& key) { return field.empty() ? key : field + "." + key; };
    if (schema.contains("required")) {
      for (const auto& key : schema["required"]) {
        if (!value.contains(key)) add(below(key.get<std::string>()), "is missing");
      }
    }
    const json none = json::object();
    const json& properties = schema.contains("properties") ? schema["properties"] : none;
    const json open = true;
    const json& others = schema.contains("additionalProperties") ? schema["additionalProperties"] : open;
    for (const auto& [key, member] : value.items()) {
      if (key.find('\0') != std::string::npos) {
        add(below("?"), "a key holds a NUL character");
      } else if (properties.contains(key)) {
        check(member, properties[key], below(key));
      } else if (others.is_object()) {
        check(member, others, below(key));
      } else if (!others.get<bool>()) {
        add(below(key), "is unknown");
      }
    }
  }

  const json& document_;
};

}  // namespace

std::vector<FieldError> schema_errors(const json& value, const json& schema, const json& document) {
  Checker checker(document);
  checker.check(value, schema, "");
  return std::move(checker.errors);
}

}  // namespace sluice
