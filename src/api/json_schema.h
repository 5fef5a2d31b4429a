// Whether a JSON value fits a JSON Schema, as far as our OpenAPI document uses it: type, enum, const, properties, required,
// additionalProperties, items, minItems, maxItems, minLength, maxLength, minimum, maximum, $ref. Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace sluice {

/// What is wrong with one field of a request.
struct FieldError {
  std::string field;  ///< "source_config.bucket", "sources[1].id"; empty: the whole
  std::string reason;
};

/// Everything that is wrong, up to kFieldErrorsMax. `$ref` is looked up in `document` ("#/components/schemas/Name").
std::vector<FieldError> schema_errors(const nlohmann::json& value, const nlohmann::json& schema, const nlohmann::json& document);
inline constexpr size_t kFieldErrorsMax = 50;

}  // namespace sluice
