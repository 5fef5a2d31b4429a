// What the values of JSON rows say about column types. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "formats/json_row.h"
#include "schema/inference.h"

namespace sluice {

/// Shows the value at `position`, with all below it, to `guess`.
void see_json(std::span<const JsonNode> nodes, uint32_t position, ColumnGuess& guess);

}  // namespace sluice
