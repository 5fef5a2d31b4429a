// The schemas of the REST API as text. For this folder's .cc files.
#pragma once

#include <string_view>

namespace sluice {

/// JSON: `components.schemas` of the document.
extern const std::string_view kSchemasJson;

}  // namespace sluice
