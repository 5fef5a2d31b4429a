#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "iceberg/avro.h"
#include "iceberg/json_fields.h"

namespace sluice {
namespace {

using nlohmann::json;

std::unexpected<Error> broken(std::string message) { return fail(ErrorCode::kCorruption, "Avro schema: " + std::move(message)); }

// Builds the tree of one schema; a name becomes usable once its type is complete, so no type can hold itself.
class SchemaBuilder {
 public:
  Result<AvroTypePtr> build(const json& in, int depth = 0) {
    if (depth > kAvroSchemaDepthMax) return broken("nested too deep");
    if (in.is_string()) return by_name(in.get<std::string>());
    if (in.is_array()) return union_of(in, depth);
    if (!in.is_object() || !in.contains("type")) return broken("a type is neither a name, an object nor a union");
    const json& type = in.at("type");
    if (!type.is_string()) return build(type, depth + 1);
    const std::string kind = type.get<std::string>();
    if (kind == "record" || kind == "error") return record(in, depth);
    if (kind == "array" || kind == "map") return container(in, kind == "array", depth);
    if (kind == "fixed" || kind == "enum") return sized(in, kind == "fixed");
    return by_name(kind);
  }

 private:
  Result<AvroTypePtr> by_name(const std::string& name) {
    static const std::map<std::string, AvroType::Kind> kPrimitives = {
        {"null", AvroType::kNull},   {"boolean", AvroType::kBoolean}, {"int", AvroType::kInt},     {"long", AvroType::kLong},
        {"float", AvroType::kFloat}, {"double", AvroType::kDouble},   {"bytes", AvroType::kBytes}, {"string", AvroType::kString}};
    if (const auto at = kPrimitives.find(name); at != kPrimitives.end()) {
      auto type = std::make_shared<AvroType>();
      type->kind = at->second;
      return type;
    }
    const std::string last_part = name.substr(name.rfind('.') + 1);  // namespaces do not tell apart what manifests hold
    const auto at = named_.find(last_part);
    if (at == named_.end()) return broken(fmt::format("unknown type {}", name));
    return at->second;
  }

  Result<AvroTypePtr> union_of(const json& branches, int depth) {
    auto type = std::make_shared<AvroType>();
    type->kind = AvroType::kUnion;
    for (const json& branch : branches) {
      TRY_ASSIGN(AvroTypePtr built, build(branch, depth + 1));
      TRY(add(*type, {.type = std::move(built)}));
    }
    return type;
  }

  Result<AvroTypePtr> record(const json& in, int depth) {
    JsonFields fields(in, "Avro record");
    auto type = std::make_shared<AvroType>();
    type->kind = AvroType::kRecord;
    const std::string name = fields.text("name", "");
    for (const json& field_json : fields.array("fields")) {
      JsonFields field(field_json, "Avro field");
      AvroField built{.name = field.text("name"), .id = field.number("field-id", -1)};
      const json* field_type = field.find("type");
      TRY(field.finish());
      if (field_type == nullptr) return broken(fmt::format("field {} has no type", built.name));
      TRY_ASSIGN(built.type, build(*field_type, depth + 1));
      TRY(add(*type, std::move(built)));
    }
    TRY(fields.finish());
    return register_name(name, std::move(type));
  }

  Result<AvroTypePtr> container(const json& in, bool is_array, int depth) {
    JsonFields fields(in, is_array ? "Avro array" : "Avro map");
    auto type = std::make_shared<AvroType>();
    type->kind = is_array ? AvroType::kArray : AvroType::kMap;
    const json* content = fields.find(is_array ? "items" : "values");
    const int id = fields.number(is_array ? "element-id" : "value-id", -1);
    TRY(fields.finish());
    if (content == nullptr) return broken("an array or map without a type of what it holds");
    TRY_ASSIGN(AvroTypePtr built, build(*content, depth + 1));
    TRY(add(*type, {.id = id, .type = std::move(built)}));
    return type;
  }

  Result<AvroTypePtr> sized(const json& in, bool is_fixed) {
    JsonFields fields(in, is_fixed ? "Avro fixed" : "Avro enum");
    auto type = std::make_shared<AvroType>();
    type->kind = is_fixed ? AvroType::kFixed : AvroType::kEnum;
    type->size = is_fixed ? fields.integer("size") : static_cast<int64_t>(fields.array("symbols").size());
    const std::string name = fields.text("name", "");
    if (type->size < 0) fields.fail("its size is negative");
    TRY(fields.finish());
    return register_name(name, std::move(type));
  }

  // Names let a short text build a tall tree, and values are decoded by recursion.
  static Result<void> add(AvroType& type, AvroField field) {
    type.height = std::max(type.height, field.type->height + 1);
    if (type.height > kAvroSchemaDepthMax) return broken("nested too deep");
    type.fields.push_back(std::move(field));
    return {};
  }

  Result<AvroTypePtr> register_name(const std::string& name, AvroTypePtr type) {
    named_[name.substr(name.rfind('.') + 1)] = type;
    return type;
  }

  std::map<std::string, AvroTypePtr> named_;
};

}  // namespace

Result<AvroTypePtr> parse_avro_schema(std::string_view text) {
  TRY_ASSIGN(const json document, parse_json(text, "Avro schema"));
  return SchemaBuilder().build(document);
}

}  // namespace sluice
