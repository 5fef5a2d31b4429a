// Schemas of Avro files as values. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice {

inline constexpr int kAvroSchemaDepthMax = 64;

struct AvroType;
using AvroTypePtr = std::shared_ptr<const AvroType>;

struct AvroField {
  std::string name;
  int id = -1;  ///< Iceberg's field-id, element-id or value-id; -1: none
  AvroTypePtr type;
};

struct AvroType {
  enum Kind { kNull, kBoolean, kInt, kLong, kFloat, kDouble, kBytes, kString, kFixed, kEnum, kArray, kMap, kUnion, kRecord } kind = kNull;
  int64_t size = 0;                  ///< fixed: bytes
  std::vector<std::string> symbols;  ///< enum
  std::vector<AvroField> fields;     ///< record: its fields; array: the element; map: the value; union: its branches
  std::string logical;               ///< "decimal", "timestamp-micros", ...; empty: none
  int precision = 0, scale = 0;      ///< decimal
  int height = 0;                    ///< levels of types below this one; at most kAvroSchemaDepthMax
};

/// Reads the JSON of a schema. Named types may be used again, but not inside themselves. ParseError.
Result<AvroTypePtr> parse_avro_schema(std::string_view json);

}  // namespace sluice
