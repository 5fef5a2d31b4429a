// Contracts: a YAML file that fixes a table's columns. Pure but for load_contract, which reads the file.
//   columns:                       # or `fields:`
//     - {name: id, type: long, required: true, doc: order number}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "schema/type.h"

namespace sluice {

/// Larger files are refused.
inline constexpr int64_t kContractBytesMax = 4 * 1024 * 1024;

/// Field ids are not assigned. Errors (kInvalidInput) begin with file:line:column.
Result<Schema> parse_contract(std::string_view yaml, std::string_view file);
Result<Schema> load_contract(const std::string& path);

/// Compares names only; order does not matter. nullopt: they agree; else the text for the user, naming missing and unexpected columns.
/// A column that is not required may be missing only where `optional_may_miss` (JSON, where a key may be left out).
std::optional<std::string> check_header(const Schema& contract, const std::vector<std::string>& header, bool optional_may_miss = false);

}  // namespace sluice
