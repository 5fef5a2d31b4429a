// Iceberg's JSON form of a schema and of a type (spec, Appendix C). Pure functions. Keys it does not know (initial-default, ...) are
// passed over when read and are not written back.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "schema/type.h"

namespace sluice {

/// {"type": "struct", "schema-id": 0, "fields": [...]}; "identifier-field-ids" only where there are some.
nlohmann::json to_json(const Schema& schema);
/// kCorruption: not a schema that this program can write to (v3 types included); the message names the field.
Result<Schema> schema_from_json(const nlohmann::json& json);

/// A string for a primitive ("decimal(9, 2)"), an object for a nested type.
nlohmann::json to_json(const Type& type);
Result<TypePtr> type_from_json(const nlohmann::json& json);

}  // namespace sluice
