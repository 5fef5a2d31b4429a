#include "schema/arrow_schema.h"

#include <charconv>
#include <string>

#include <arrow/extension/uuid.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

namespace sluice {
namespace {

constexpr const char* kFieldIdKey = "PARQUET:field_id";

std::unexpected<Error> unsupported(const arrow::DataType& type) {
  return invalid_input(fmt::format("Arrow type {} has no counterpart in an Iceberg table", type.ToString()));
}

int field_id_of(const arrow::Field& field) {
  if (!field.metadata()) return 0;
  const auto text = field.metadata()->Get(kFieldIdKey);
  int id = 0;
  if (!text.ok() || std::from_chars(text->data(), text->data() + text->size(), id).ec != std::errc()) return 0;
  return id;
}

Result<TypePtr> from_arrow_decimal(const arrow::DecimalType& type) {
  if (type.precision() > 38 || type.scale() < 0) return unsupported(type);
  return make_decimal(type.precision(), type.scale());
}

Result<TypePtr> from_arrow_nested(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRUCT: {
      std::vector<Field> fields;
      for (const auto& member : type.fields()) {
        TRY_ASSIGN(Field field, from_arrow(*member));
        fields.push_back(std::move(field));
      }
      return make_struct(std::move(fields));
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      TRY_ASSIGN(Field key, from_arrow(*map.key_field()));
      TRY_ASSIGN(Field value, from_arrow(*map.item_field()));
      return make_map(std::move(key.type), std::move(value.type), value.required, key.id, value.id);
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW: {
      TRY_ASSIGN(Field element, from_arrow(*type.field(0)));
      return make_list(std::move(element.type), element.required, element.id);
    }
    default: return unsupported(type);
  }
}

}  // namespace

std::shared_ptr<arrow::DataType> to_arrow(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean: return arrow::boolean();
    case TypeId::kInt: return arrow::int32();
    case TypeId::kLong: return arrow::int64();
    case TypeId::kFloat: return arrow::float32();
    case TypeId::kDouble: return arrow::float64();
    case TypeId::kDecimal: return arrow::decimal128(type.precision, type.scale);
    case TypeId::kDate: return arrow::date32();
    case TypeId::kTime: return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeId::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeId::kTimestamptz: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeId::kString: return arrow::utf8();
    case TypeId::kUuid: return arrow::extension::uuid();
    case TypeId::kFixed: return arrow::fixed_size_binary(type.length);
    case TypeId::kBinary: return arrow::binary();
    case TypeId::kList: return arrow::list(to_arrow(type.fields[0]));
    case TypeId::kMap: return std::make_shared<arrow::MapType>(to_arrow(type.fields[0]), to_arrow(type.fields[1]));
    case TypeId::kStruct: break;
  }
  arrow::FieldVector members;
  for (const Field& field : type.fields) members.push_back(to_arrow(field));
  return arrow::struct_(members);
}

std::shared_ptr<arrow::Field> to_arrow(const Field& field) {
  std::shared_ptr<const arrow::KeyValueMetadata> metadata;
  if (field.id != 0) metadata = arrow::key_value_metadata({kFieldIdKey}, {std::to_string(field.id)});
  return arrow::field(field.name, to_arrow(*field.type), !field.required, std::move(metadata));
}

std::shared_ptr<arrow::Schema> to_arrow(const Schema& schema) {
  arrow::FieldVector fields;
  for (const Field& field : schema.fields) fields.push_back(to_arrow(field));
  return arrow::schema(fields);
}

Result<TypePtr> from_arrow(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL: return make_type(TypeId::kBoolean);
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16: return make_type(TypeId::kInt);
    case arrow::Type::INT64:
    case arrow::Type::UINT32: return make_type(TypeId::kLong);
    case arrow::Type::UINT64: return make_decimal(20, 0);
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT: return make_type(TypeId::kFloat);
    case arrow::Type::DOUBLE: return make_type(TypeId::kDouble);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: return from_arrow_decimal(static_cast<const arrow::DecimalType&>(type));
    case arrow::Type::DATE32:
    case arrow::Type::DATE64: return make_type(TypeId::kDate);
    case arrow::Type::TIME32:
    case arrow::Type::TIME64: return make_type(TypeId::kTime);
    case arrow::Type::TIMESTAMP:
      return make_type(static_cast<const arrow::TimestampType&>(type).timezone().empty() ? TypeId::kTimestamp : TypeId::kTimestamptz);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW: return make_type(TypeId::kString);
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW: return make_type(TypeId::kBinary);
    case arrow::Type::FIXED_SIZE_BINARY: return make_fixed(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width());
    case arrow::Type::DICTIONARY: return from_arrow(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::EXTENSION: {
      const auto& extension = static_cast<const arrow::ExtensionType&>(type);
      if (extension.extension_name() == "arrow.uuid") return make_type(TypeId::kUuid);
      return from_arrow(*extension.storage_type());
    }
    default: return from_arrow_nested(type);
  }
}

Result<Field> from_arrow(const arrow::Field& field) {
  auto type = from_arrow(*field.type());
  if (!type) return std::unexpected(type.error().within(fmt::format("column '{}'", field.name())));
  return Field{.id = field_id_of(field), .name = field.name(), .required = !field.nullable(), .type = *std::move(type)};
}

Result<Schema> from_arrow(const arrow::Schema& schema) {
  Schema result;
  for (const auto& member : schema.fields()) {
    TRY_ASSIGN(Field field, from_arrow(*member));
    result.fields.push_back(std::move(field));
  }
  return result;
}

}  // namespace sluice
