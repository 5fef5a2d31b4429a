// Exact text -> value, one function per primitive type, and back. Pure, thread-safe, no exceptions; no allocation but for binary.
// Nothing is trimmed and nothing is rounded, except that a decimal fraction becomes the nearest float or double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/literal.h"
#include "schema/type.h"

namespace sluice {

/// "true" or "false" in any case.
std::optional<bool> read_bool(std::string_view text);

/// Optional sign and digits.
std::optional<int32_t> read_int(std::string_view text);
std::optional<int64_t> read_long(std::string_view text);

/// A number as JSON or C writes it, "NaN", "inf", "infinity" with sign and in any case. A finite text that would become infinite or,
/// not being zero, zero does not fit; nor do integers (digits only) that are not exactly representable.
std::optional<float> read_float(std::string_view text);
std::optional<double> read_double(std::string_view text);

/// The unscaled value; exponents allowed. Does not fit: more than `precision` digits, or digits other than 0 beyond `scale`.
std::optional<Int128> read_decimal(std::string_view text, int precision, int scale);

/// YYYY-MM-DD, years 0001 to 9999; days since 1970-01-01.
std::optional<int32_t> read_date(std::string_view text);

/// HH:MM[:SS[.f]]; microseconds since midnight. Up to nine fractional digits, those after the sixth only as zeros.
std::optional<int64_t> read_time(std::string_view text);

/// Date, then 'T' or space and a time; or the date alone (midnight). An offset does not fit: it would be lost.
std::optional<int64_t> read_timestamp(std::string_view text);

/// The same with an offset, which is required: Z, +HH, +HHMM or +HH:MM, up to 18 hours. Microseconds since the epoch in UTC.
std::optional<int64_t> read_timestamptz(std::string_view text);

/// Date, separator and time zone decide what an ISO 8601 text is; for inference. A date alone is no timestamp here.
enum class TimeText { kNone, kDate, kTimestamp, kTimestamptz };
TimeText classify_time(std::string_view text);

/// Reads timestamps of a column: remembers the last date, for neighbours mostly share it. Same results as the functions above.
class TimestampParser {
 public:
  std::optional<int64_t> read_timestamp(std::string_view text) { return parse(text, false); }
  std::optional<int64_t> read_timestamptz(std::string_view text) { return parse(text, true); }

 private:
  std::optional<int64_t> parse(std::string_view text, bool with_offset);

  char date_[10] = {};
  int64_t date_us_ = 0;  ///< of date_, which is valid once it holds a digit
};

/// 8-4-4-4-12 hexadecimal digits in any case; writes 16 bytes, big-endian.
bool read_uuid(std::string_view text, uint8_t* out);

/// Base64 (RFC 4648, standard alphabet, padding required) appended to `out`; false leaves `out` as it was.
bool decode_base64(std::string_view text, std::string& out);
std::string encode_base64(std::string_view bytes);

/// Any primitive type; binary and fixed as base64. nullopt: does not fit.
std::optional<Literal> read_literal(const Type& type, std::string_view text);

/// Text that read_literal reads back to the same value; "null" for null. Timestamps as 2024-01-01T10:00:00[.ffffff][+00:00].
std::string to_text(const Type& type, const Literal& value);

}  // namespace sluice
