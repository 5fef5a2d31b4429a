// One value of a primitive type, and its bytes in Iceberg's single-value form (spec, Appendix D). Values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "schema/type.h"

namespace sluice {

/// Unscaled decimal value: two's complement, 128 bits.
__extension__ typedef __int128 Int128;

/// Null, or a value in the table's own units: bool; int and date (days) as int32_t; long, time and timestamps (microseconds) as
/// int64_t; float; double; decimal unscaled as Int128; string, binary, fixed and uuid (16 bytes, big-endian) as std::string.
using Literal = std::variant<std::monostate, bool, int32_t, int64_t, float, double, Int128, std::string>;

inline bool is_null(const Literal& value) { return std::holds_alternative<std::monostate>(value); }

/// Spec Appendix D: little-endian numbers, decimal as minimum big-endian two's complement, uuid 16 bytes big-endian.
/// `value` must not be null and must hold the alternative of `type`.
std::string to_single_value(const Type& type, const Literal& value);
Result<Literal> from_single_value(const Type& type, std::string_view bytes);

}  // namespace sluice
