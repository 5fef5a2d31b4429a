#include "formats/avro_schema.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "model/file.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr int kJsonDepthMax = 512;  // each level of types takes up to four of JSON

std::unexpected<Error> bad_schema(std::string message) {
  return std::unexpected(Error{ErrorCode::kInvalidInput, "Avro schema: " + std::move(message), std::string(error_type::kParseError)});
}

std::string text_at(const json& in, const char* key) {
  const auto found = in.find(key);
  return found != in.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t number_at(const json& in, const char* key, int64_t otherwise) {
  const auto found = in.find(key);
  return found != in.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}

const json* list_at(const json& in, const char* key) {
  const auto found = in.find(key);
  return found != in.end() && found->is_array() ? &*found : nullptr;
}

/// Builds the tree of one schema; a name becomes usable once its type is complete, so no type can hold itself.
class SchemaBuilder {
 public:
  Result<AvroTypePtr> build(const json& in, const std::string& space = "", int depth = 0) {
    if (depth > kAvroSchemaDepthMax) return bad_schema("nested too deep");
    if (in.is_string()) return by_name(in.get<std::string>(), space);
    if (in.is_array()) return union_of(in, space, depth);
    if (!in.is_object() || !in.contains("type")) return bad_schema("a type is neither a name, an object nor a union");
    const json& type = in.at("type");
    if (!type.is_string()) return build(type, space, depth + 1);
    const std::string kind = type.get<std::string>();
    if (kind == "record" || kind == "error") return record(in, space, depth);
    if (kind == "array" || kind == "map") return container(in, kind == "array", space, depth);
    if (kind == "fixed" || kind == "enum") return sized(in, kind == "fixed", space);
    TRY_ASSIGN(AvroTypePtr named, by_name(kind, space));
    return with_logical_type(in, std::move(named));
  }

 private:
  static std::string full_name(const std::string& name, const std::string& space) {
    return name.find('.') != std::string::npos || space.empty() ? name : space + "." + name;
  }
  /// The namespace that names inside a named type belong to.
  static std::string space_of(const json& in, const std::string& outer) {
    const std::string name = text_at(in, "name");
    if (const size_t dot = name.rfind('.'); dot != std::string::npos) return name.substr(0, dot);
    return in.contains("namespace") ? text_at(in, "namespace") : outer;
  }

  Result<AvroTypePtr> by_name(const std::string& name, const std::string& space) {
    static const std::map<std::string, AvroType::Kind> kPrimitives = {
        {"null", AvroType::kNull},   {"boolean", AvroType::kBoolean}, {"int", AvroType::kInt},     {"long", AvroType::kLong},
        {"float", AvroType::kFloat}, {"double", AvroType::kDouble},   {"bytes", AvroType::kBytes}, {"string", AvroType::kString}};
    if (const auto at = kPrimitives.find(name); at != kPrimitives.end()) {
      auto type = std::make_shared<AvroType>();
      type->kind = at->second;
      return type;
    }
    auto at = named_.find(full_name(name, space));
    if (at == named_.end()) at = named_.find(name);
    if (at == named_.end()) return bad_schema(fmt::format("unknown type {}", name));
    if (at->second == nullptr) return bad_schema(fmt::format("type {} holds itself, which no table can", name));
    return at->second;
  }

  /// What follows a type that is known already is its meaning; one that does not fit is passed over, as the specification says.
  static Result<AvroTypePtr> with_logical_type(const json& in, AvroTypePtr plain) {
    const std::string logical = text_at(in, "logicalType");
    if (logical.empty()) return plain;
    auto type = std::make_shared<AvroType>(*plain);
    type->logical = logical;
    if (logical == "decimal") {
      const int64_t precision = number_at(in, "precision", 0), scale = number_at(in, "scale", 0);
      if (precision < 1 || precision > 10'000 || scale < 0 || scale > precision) return plain;
      type->precision = static_cast<int>(precision);
      type->scale = static_cast<int>(scale);
    }
    return type;
  }

  Result<AvroTypePtr> union_of(const json& branches, const std::string& space, int depth) {
    auto type = std::make_shared<AvroType>();
    type->kind = AvroType::kUnion;
    for (const json& branch : branches) {
      TRY_ASSIGN(AvroTypePtr built, build(branch, space, depth + 1));
      TRY(add(*type, {.name = {}, .type = std::move(built)}));
    }
    return type;
  }

  Result<AvroTypePtr> record(const json& in, const std::string& outer, int depth) {
    const std::string space = space_of(in, outer), name = full_name(text_at(in, "name"), space);
    const json* fields = list_at(in, "fields");
    if (fields == nullptr) return bad_schema(fmt::format("record {} has no fields", name));
    named_[name] = nullptr;
    auto type = std::make_shared<AvroType>();
    type->kind = AvroType::kRecord;
    for (const json& field : *fields) {
      if (!field.is_object() || text_at(field, "name").empty()) return bad_schema(fmt::format("a field of record {} has no name", name));
      AvroField built{.name = text_at(field, "name"), .id = static_cast<int>(number_at(field, "field-id", -1)), .type = nullptr};
      if (!field.contains("type")) return bad_schema(fmt::format("field {} has no type", built.name));
      TRY_ASSIGN(built.type, build(field.at("type"), space, depth + 1));
      TRY(add(*type, std::move(built)));
    }
    named_[name] = type;
    return type;
  }

  Result<AvroTypePtr> container(const json& in, bool is_array, const std::string& space, int depth) {
    auto type = std::make_shared<AvroType>();
    type->kind = is_array ? AvroType::kArray : AvroType::kMap;
    const auto content = in.find(is_array ? "items" : "values");
    if (content == in.end()) return bad_schema("an array or map without a type of what it holds");
    TRY_ASSIGN(AvroTypePtr built, build(*content, space, depth + 1));
    TRY(add(*type,
            {.name = {}, .id = static_cast<int>(number_at(in, is_array ? "element-id" : "value-id", -1)), .type = std::move(built)}));
    type->logical = text_at(in, "logicalType");
    return type;
  }

  Result<AvroTypePtr> sized(const json& in, bool is_fixed, const std::string& outer) {
    const std::string name = full_name(text_at(in, "name"), space_of(in, outer));
    auto type = std::make_shared<AvroType>();
    type->kind = is_fixed ? AvroType::kFixed : AvroType::kEnum;
    if (is_fixed) {
      type->size = number_at(in, "size", -1);
      if (type->size < 0 || type->size > INT32_MAX) return bad_schema(fmt::format("type {} has no size that could be", name));
    } else {
      const json* symbols = list_at(in, "symbols");
      if (symbols == nullptr) return bad_schema(fmt::format("enum {} has no symbols", name));
      for (const json& symbol : *symbols) type->symbols.push_back(symbol.is_string() ? symbol.get<std::string>() : "");
    }
    TRY_ASSIGN(AvroTypePtr meant, with_logical_type(in, std::move(type)));
    named_[name] = meant;
    return meant;
  }

  /// Names let a short text build a tall tree, and values are decoded by recursion.
  static Result<void> add(AvroType& type, AvroField field) {
    type.height = std::max(type.height, field.type->height + 1);
    if (type.height > kAvroSchemaDepthMax) return bad_schema("nested too deep");
    type.fields.push_back(std::move(field));
    return {};
  }

  std::map<std::string, AvroTypePtr> named_;
};

}  // namespace

Result<AvroTypePtr> parse_avro_schema(std::string_view text) {
  if (nested_too_deep(text, kJsonDepthMax)) return bad_schema("nested too deep");
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return bad_schema("it is not valid JSON");
  return SchemaBuilder().build(document);
}

}  // namespace sluice
