#include "schema/schema_json.h"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr int kReadDepthMax =
    64;  ///< of types in one another: tables of other writers, which may have what kTypeDepthMax keeps out of ours

using nlohmann::json;

std::unexpected<Error> corrupt(std::string message) { return fail(ErrorCode::kCorruption, std::move(message)); }

json fields_to_json(const std::vector<Field>& fields) {
  json array = json::array();
  for (const Field& field : fields) {
    json member = {{"id", field.id}, {"name", field.name}, {"required", field.required}, {"type", to_json(*field.type)}};
    if (!field.doc.empty()) member["doc"] = field.doc;
    array.push_back(std::move(member));
  }
  return array;
}

Result<const json*> member_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return corrupt(fmt::format("'{}' is missing", key));
  return &*found;
}

Result<int> int_of(const json& object, const char* key) {
  TRY_ASSIGN(const json* value, member_of(object, key));
  if (!value->is_number_integer()) return corrupt(fmt::format("'{}' is not an integer", key));
  const int64_t number = value->get<int64_t>();
  if (number < 0 || number > std::numeric_limits<int>::max()) return corrupt(fmt::format("'{}' is out of range", key));
  return static_cast<int>(number);
}

Result<bool> bool_of(const json& object, const char* key) {
  TRY_ASSIGN(const json* value, member_of(object, key));
  if (!value->is_boolean()) return corrupt(fmt::format("'{}' is not a boolean", key));
  return value->get<bool>();
}

Result<std::string> string_of(const json& object, const char* key) {
  TRY_ASSIGN(const json* value, member_of(object, key));
  if (!value->is_string()) return corrupt(fmt::format("'{}' is not a string", key));
  return value->get<std::string>();
}

Result<TypePtr> read_type(const json& json_type, int depth);

Result<TypePtr> read_type_member(const json& object, const char* key, int depth) {
  TRY_ASSIGN(const json* value, member_of(object, key));
  auto type = read_type(*value, depth + 1);
  if (!type) return std::unexpected(type.error().within(key));
  return type;
}

Result<Field> read_field(const json& object, int depth) {
  if (!object.is_object()) return corrupt("a field is not an object");
  Field field;
  TRY_ASSIGN(field.name, string_of(object, "name"));
  const auto within = [&](const Error& error) { return std::unexpected(error.within(fmt::format("field '{}'", field.name))); };
  auto id = int_of(object, "id");
  if (!id) return within(id.error());
  auto required = bool_of(object, "required");
  if (!required) return within(required.error());
  TRY_ASSIGN(const json* type_json, member_of(object, "type"));
  auto type = read_type(*type_json, depth + 1);
  if (!type) return within(type.error());
  field.id = *id;
  field.required = *required;
  field.type = *std::move(type);
  if (const auto doc = object.find("doc"); doc != object.end() && doc->is_string()) field.doc = doc->get<std::string>();
  return field;
}

Result<std::vector<Field>> read_fields(const json& object, int depth) {
  TRY_ASSIGN(const json* array, member_of(object, "fields"));
  if (!array->is_array()) return corrupt("'fields' is not an array");
  std::vector<Field> fields;
  for (const json& member : *array) {
    TRY_ASSIGN(Field field, read_field(member, depth));
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<TypePtr> read_type(const json& json_type, int depth) {
  if (depth > kReadDepthMax) return corrupt(fmt::format("types are nested more than {} levels deep", kReadDepthMax));
  if (json_type.is_string()) {
    auto type = parse_type(json_type.get<std::string>());
    if (!type) return corrupt(type.error().message);
    return type;
  }
  if (!json_type.is_object()) return corrupt("a type is neither a string nor an object");
  TRY_ASSIGN(const std::string kind, string_of(json_type, "type"));
  if (kind == "struct") {
    TRY_ASSIGN(std::vector<Field> fields, read_fields(json_type, depth));
    return make_struct(std::move(fields));
  }
  if (kind == "list") {
    TRY_ASSIGN(const int id, int_of(json_type, "element-id"));
    TRY_ASSIGN(const bool required, bool_of(json_type, "element-required"));
    TRY_ASSIGN(TypePtr element, read_type_member(json_type, "element", depth));
    return make_list(std::move(element), required, id);
  }
  if (kind == "map") {
    TRY_ASSIGN(const int key_id, int_of(json_type, "key-id"));
    TRY_ASSIGN(const int value_id, int_of(json_type, "value-id"));
    TRY_ASSIGN(const bool required, bool_of(json_type, "value-required"));
    TRY_ASSIGN(TypePtr key, read_type_member(json_type, "key", depth));
    TRY_ASSIGN(TypePtr value, read_type_member(json_type, "value", depth));
    return make_map(std::move(key), std::move(value), required, key_id, value_id);
  }
  return corrupt(fmt::format("unknown type '{}'", kind));
}

}  // namespace

json to_json(const Type& type) {
  switch (type.id) {
    case TypeId::kStruct: return {{"type", "struct"}, {"fields", fields_to_json(type.fields)}};
    case TypeId::kList:
      return {{"type", "list"},
              {"element-id", type.fields[0].id},
              {"element-required", type.fields[0].required},
              {"element", to_json(*type.fields[0].type)}};
    case TypeId::kMap:
      return {{"type", "map"},
              {"key-id", type.fields[0].id},
              {"key", to_json(*type.fields[0].type)},
              {"value-id", type.fields[1].id},
              {"value-required", type.fields[1].required},
              {"value", to_json(*type.fields[1].type)}};
    // Older readers match this text with the space after the comma.
    case TypeId::kDecimal: return fmt::format("decimal({}, {})", type.precision, type.scale);
    default: return to_text(type);
  }
}

json to_json(const Schema& schema) {
  json object = {{"type", "struct"}, {"schema-id", schema.schema_id}, {"fields", fields_to_json(schema.fields)}};
  if (!schema.identifier_field_ids.empty()) object["identifier-field-ids"] = schema.identifier_field_ids;
  return object;
}

Result<TypePtr> type_from_json(const json& json_type) { return read_type(json_type, 0); }

Result<Schema> schema_from_json(const json& object) {
  if (!object.is_object()) return corrupt("a schema is not an object");
  Schema schema;
  // Schemas inside a manifest's header may come without an id.
  if (object.contains("schema-id")) {
    TRY_ASSIGN(schema.schema_id, int_of(object, "schema-id"));
  }
  TRY_ASSIGN(schema.fields, read_fields(object, 0));
  if (const auto ids = object.find("identifier-field-ids"); ids != object.end() && ids->is_array()) {
    for (const json& id : *ids) {
      if (!id.is_number_integer()) return corrupt("'identifier-field-ids' holds something that is not an integer");
      schema.identifier_field_ids.push_back(id.get<int>());
    }
  }
  return schema;
}

}  // namespace sluice
