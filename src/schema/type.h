// Table types and schemas: Iceberg's, without Arrow. Values, immutable once shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice {

enum class TypeId {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,
  kTimestamptz,
  kString,
  kUuid,
  kFixed,
  kBinary,
  kStruct,
  kList,
  kMap,
};

/// Levels of types inside one another that a table gets, as Parquet counts them: a struct is one, a list or a map two. Readers take
/// different ones: PyIceberg meets Python's recursion limit between 50 and 65, DuckDB hands 64 over to Arrow, PyArrow opens 100.
inline constexpr int kTypeDepthMax = 48;
inline constexpr int kDecimalDigitsMax = 38;

struct Type;
using TypePtr = std::shared_ptr<const Type>;

/// A column, a member of a struct, the "element" of a list, or the "key" and "value" of a map.
struct Field {
  int id = 0;  ///< Iceberg field id; 0: not assigned yet
  std::string name;
  bool required = false;
  TypePtr type;
  std::string doc = {};
};

struct Type {
  TypeId id = TypeId::kString;
  int precision = 0, scale = 0;  ///< decimal
  int length = 0;                ///< fixed, in bytes
  std::vector<Field> fields;     ///< struct: members; list: {element}; map: {key, value}

  bool is_nested() const { return id == TypeId::kStruct || id == TypeId::kList || id == TypeId::kMap; }
};

TypePtr make_type(TypeId id);  ///< a primitive without parameters; shared instances
TypePtr make_decimal(int precision, int scale);
TypePtr make_fixed(int length);
TypePtr make_struct(std::vector<Field> fields);
TypePtr make_list(TypePtr element, bool element_required = false, int element_id = 0);
TypePtr make_map(TypePtr key, TypePtr value, bool value_required = false, int key_id = 0, int value_id = 0);

/// Levels of `type` as kTypeDepthMax counts them; a primitive has one.
int type_depth(const Type& type);
/// How many levels a struct, list or map itself is.
int levels_of(TypeId nested);

/// Equal in type and names; field ids and docs are not compared.
bool same_type(const Type& a, const Type& b);

/// Iceberg's text for a type: "long", "decimal(9,2)", "fixed[16]", "struct<a: long, b: list<string>>".
std::string to_text(const Type& type);

/// Reads that text (also the aliases integer, bigint, varchar, text, bool, "timestamp with time zone").
Result<TypePtr> parse_type(std::string_view text);

struct Schema {
  int schema_id = 0;
  std::vector<Field> fields;
  std::vector<int> identifier_field_ids;

  const Field* find(std::string_view name) const;  ///< a top-level column by exact name
  const Field* find(int field_id) const;           ///< at any depth
  int highest_field_id() const;
};

/// Gives every field without an id (and those below it) the next one after `last_id`; returns the last id used.
int assign_field_ids(std::vector<Field>& fields, int last_id);

}  // namespace sluice
