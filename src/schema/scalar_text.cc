#include "schema/scalar_text.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include <fast_float/fast_float.h>
#include <fmt/format.h>

#include "base/ascii.h"
#include "schema/type.h"

namespace sluice {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteUs = 60 * kSecondUs;
constexpr int64_t kHourUs = 60 * kMinuteUs;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int kOffsetHoursMax = 18;
constexpr size_t kDateLength = 10;
/// Exponents beyond never fit; clamping there keeps the arithmetic small.
constexpr int kExponentMax = 1'000'000;

bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (lower_case(text[i]) != lower[i]) return false;
  }
  return true;
}

/// Takes the sign off; true: negative.
bool take_sign(std::string_view& text) {
  if (text.empty() || (text[0] != '-' && text[0] != '+')) return false;
  const bool negative = text[0] == '-';
  text.remove_prefix(1);
  return negative;
}

/// Two digits at `at`, or -1.
int two_digits(std::string_view text, size_t at) {
  if (at + 2 > text.size() || !is_digit(text[at]) || !is_digit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

/// HH:MM[:SS[.f]] from `at` on, which then points behind it.
std::optional<int64_t> take_time(std::string_view text, size_t& at) {
  const int hours = two_digits(text, at);
  if (hours < 0 || hours > 23 || at + 2 >= text.size() || text[at + 2] != ':') return std::nullopt;
  const int minutes = two_digits(text, at + 3);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  at += 5;
  int64_t us = hours * kHourUs + minutes * kMinuteUs;
  if (at >= text.size() || text[at] != ':') return us;
  const int seconds = two_digits(text, at + 1);
  if (seconds < 0 || seconds > 59) return std::nullopt;
  at += 3;
  us += seconds * kSecondUs;
  if (at >= text.size() || text[at] != '.') return us;
  ++at;
  int64_t unit = kSecondUs / 10;
  size_t digits = 0;
  for (; at < text.size() && is_digit(text[at]); ++at, ++digits, unit /= 10) {
    // Beyond microseconds only zeros are exact.
    if (digits >= 9 || (unit == 0 && text[at] != '0')) return std::nullopt;
    us += (text[at] - '0') * unit;
  }
  if (digits == 0) return std::nullopt;
  return us;
}

/// Z, +HH, +HHMM, +HH:MM up to the text's end; microseconds to subtract.
std::optional<int64_t> read_offset(std::string_view text) {
  if (text.size() == 1 && (text[0] == 'Z' || text[0] == 'z')) return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const bool negative = text[0] == '-';
  const int hours = two_digits(text, 1);
  int minutes = 0;
  if (text.size() == 6 && text[3] == ':') {
    minutes = two_digits(text, 4);
  } else if (text.size() == 5) {
    minutes = two_digits(text, 3);
  } else if (text.size() != 3) {
    return std::nullopt;
  }
  if (hours < 0 || minutes < 0 || minutes > 59 || hours * 60 + minutes > kOffsetHoursMax * 60) return std::nullopt;
  const int64_t us = hours * kHourUs + minutes * kMinuteUs;
  return negative ? -us : us;
}

bool is_year_in_range(int64_t utc_us) {
  constexpr int64_t kFirstUs = -62'135'596'800 * kSecondUs;  // 0001-01-01T00:00Z
  constexpr int64_t kEndUs = 253'402'300'800 * kSecondUs;    // 10000-01-01T00:00Z
  return utc_us >= kFirstUs && utc_us < kEndUs;
}

/// What stands before and after a number's point, checked against the grammar.
struct NumberParts {
  std::string_view whole, fraction;
  int exponent = 0;
  bool negative = false;
};

std::string_view take_digits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

std::optional<NumberParts> split_number(std::string_view text) {
  NumberParts parts;
  parts.negative = take_sign(text);
  parts.whole = take_digits(text);
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    parts.fraction = take_digits(text);
  }
  if (parts.whole.empty() && parts.fraction.empty()) return std::nullopt;
  if (!text.empty() && lower_case(text[0]) == 'e') {
    text.remove_prefix(1);
    const bool negative = take_sign(text);
    const std::string_view digits = take_digits(text);
    if (digits.empty()) return std::nullopt;
    for (char digit : digits) parts.exponent = std::min(parts.exponent * 10 + (digit - '0'), kExponentMax);
    if (negative) parts.exponent = -parts.exponent;
  }
  if (!text.empty()) return std::nullopt;
  return parts;
}

std::optional<int64_t> unscaled_long_digits(std::string_view digits, bool negative) {
  uint64_t value = 0;
  for (char c : digits) {
    if (!is_digit(c) || value > std::numeric_limits<uint64_t>::max() / 10) return std::nullopt;
    const uint64_t next = value * 10 + static_cast<uint64_t>(c - '0');
    if (next < value) return std::nullopt;
    value = next;
  }
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (value > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - value : value);
}

/// Whether the integer `text` (digits after an optional sign) is exactly `value`.
bool is_exactly(std::string_view text, double value) {
  const std::optional<Int128> exact = read_decimal(text, kDecimalDigitsMax, 0);
  return exact && std::abs(value) < 1.0e38 && static_cast<Int128>(value) == *exact;
}

template <class T>
std::optional<T> read_floating(std::string_view text) {
  constexpr size_t kDigitsSurelyExact = std::numeric_limits<T>::digits10;
  std::string_view unsigned_text = text;
  take_sign(unsigned_text);
  // fast_float takes a '-' but no '+'; a second sign must not pass.
  if (unsigned_text.empty() || unsigned_text[0] == '-' || unsigned_text[0] == '+') return std::nullopt;
  const std::string_view number = text[0] == '+' ? unsigned_text : text;
  T value;
  const auto [end, error] = fast_float::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (!std::isfinite(value)) {
    if (equals_lower(unsigned_text, "nan") || equals_lower(unsigned_text, "inf") || equals_lower(unsigned_text, "infinity")) return value;
    return std::nullopt;
  }
  if (value == 0) {
    for (char c : unsigned_text) {
      if (lower_case(c) == 'e') break;
      if (c >= '1' && c <= '9') return std::nullopt;
    }
    return value;
  }
  if (unsigned_text.size() > kDigitsSurelyExact && unsigned_text.find_first_not_of("0123456789") == std::string_view::npos &&
      !is_exactly(text, value)) {
    return std::nullopt;
  }
  return value;
}

constexpr std::array<int8_t, 256> kHexDigits = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values[static_cast<size_t>('0' + i)] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) values[static_cast<size_t>('a' + i)] = values[static_cast<size_t>('A' + i)] = static_cast<int8_t>(10 + i);
  return values;
}();

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> kBase64Values = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kBase64.size(); ++i) values[static_cast<unsigned char>(kBase64[i])] = static_cast<int8_t>(i);
  return values;
}();

}  // namespace

std::optional<bool> read_bool(std::string_view text) {
  if (equals_lower(text, "true")) return true;
  if (equals_lower(text, "false")) return false;
  return std::nullopt;
}

std::optional<int64_t> read_long(std::string_view text) {
  const bool negative = take_sign(text);
  if (text.empty()) return std::nullopt;
  if (text.size() > 18) return unscaled_long_digits(text, negative);
  int64_t value = 0;
  for (char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

std::optional<int32_t> read_int(std::string_view text) {
  const std::optional<int64_t> value = read_long(text);
  if (!value || *value < std::numeric_limits<int32_t>::min() || *value > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<int32_t>(*value);
}

std::optional<float> read_float(std::string_view text) { return read_floating<float>(text); }
std::optional<double> read_double(std::string_view text) { return read_floating<double>(text); }

std::optional<Int128> read_decimal(std::string_view text, int precision, int scale) {
  const std::optional<NumberParts> parts = split_number(text);
  if (!parts) return std::nullopt;
  // The digits of whole and fraction, without leading zeros, times 10^shift are the unscaled value. A negative shift drops digits from
  // the end, which must be zeros: 12.30 with scale 1: digits 1230, shift -1, keeps 123.
  std::string_view whole = parts->whole, fraction = parts->fraction;
  const int64_t shift = int64_t{parts->exponent} - static_cast<int64_t>(fraction.size()) + scale;
  while (!whole.empty() && whole[0] == '0') whole.remove_prefix(1);
  if (whole.empty()) {
    while (!fraction.empty() && fraction[0] == '0') fraction.remove_prefix(1);
  }
  const int64_t digits = static_cast<int64_t>(whole.size() + fraction.size());
  if (digits == 0) return Int128{0};
  const int64_t kept = digits + std::min<int64_t>(shift, 0);
  if (kept <= 0 || digits + shift > precision || precision > kDecimalDigitsMax) return std::nullopt;

  Int128 value = 0;
  int64_t at = 0;
  for (const std::string_view part : {whole, fraction}) {
    for (char c : part) {
      if (at++ < kept) {
        value = value * 10 + (c - '0');
      } else if (c != '0') {
        return std::nullopt;
      }
    }
  }
  for (int64_t i = 0; i < shift; ++i) value *= 10;
  return parts->negative ? -value : value;
}

std::optional<int32_t> read_date(std::string_view text) {
  if (text.size() != kDateLength || text[4] != '-' || text[7] != '-') return std::nullopt;
  const int century = two_digits(text, 0), years = two_digits(text, 2), month = two_digits(text, 5), day = two_digits(text, 8);
  if (century < 0 || years < 0 || month < 0 || day < 0) return std::nullopt;
  const int year = century * 100 + years;
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (year == 0 || !date.ok()) return std::nullopt;
  return static_cast<int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

std::optional<int64_t> read_time(std::string_view text) {
  size_t at = 0;
  const std::optional<int64_t> us = take_time(text, at);
  if (!us || at != text.size()) return std::nullopt;
  return us;
}

std::optional<int64_t> TimestampParser::parse(std::string_view text, bool with_offset) {
  if (text.size() < kDateLength) return std::nullopt;
  if (std::memcmp(text.data(), date_, kDateLength) != 0 || date_[0] == '\0') {
    const std::optional<int32_t> days = read_date(text.substr(0, kDateLength));
    if (!days) return std::nullopt;
    std::memcpy(date_, text.data(), kDateLength);
    date_us_ = *days * kDayUs;
  }
  if (text.size() == kDateLength) {
    if (with_offset) return std::nullopt;
    return date_us_;
  }
  if (text[kDateLength] != 'T' && text[kDateLength] != ' ' && text[kDateLength] != 't') return std::nullopt;
  size_t at = kDateLength + 1;
  const std::optional<int64_t> time_us = take_time(text, at);
  if (!time_us) return std::nullopt;
  if (!with_offset) {
    if (at != text.size()) return std::nullopt;
    return date_us_ + *time_us;
  }
  const std::optional<int64_t> offset_us = read_offset(text.substr(at));
  if (!offset_us) return std::nullopt;
  const int64_t us = date_us_ + *time_us - *offset_us;
  if (!is_year_in_range(us)) return std::nullopt;
  return us;
}

std::optional<int64_t> read_timestamp(std::string_view text) { return TimestampParser().read_timestamp(text); }
std::optional<int64_t> read_timestamptz(std::string_view text) { return TimestampParser().read_timestamptz(text); }

TimeText classify_time(std::string_view text) {
  if (text.size() < kDateLength || text[4] != '-' || text[7] != '-' || !is_digit(text[0])) return TimeText::kNone;
  if (text.size() == kDateLength) return read_date(text) ? TimeText::kDate : TimeText::kNone;
  if (read_timestamp(text)) return TimeText::kTimestamp;
  if (read_timestamptz(text)) return TimeText::kTimestamptz;
  return TimeText::kNone;
}

bool read_uuid(std::string_view text, uint8_t* out) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size();) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return false;
      continue;
    }
    const int high = kHexDigits[static_cast<unsigned char>(text[i])], low = kHexDigits[static_cast<unsigned char>(text[i + 1])];
    if (high < 0 || low < 0) return false;
    *out++ = static_cast<uint8_t>(high * 16 + low);
    i += 2;
  }
  return true;
}

bool decode_base64(std::string_view text, std::string& out) {
  if (text.size() % 4 != 0) return false;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const size_t digits = text.size() - padding;
  const size_t before = out.size();
  uint32_t bits = 0;
  int held = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int value = kBase64Values[static_cast<unsigned char>(text[i])];
    if (value < 0) {
      out.resize(before);
      return false;
    }
    bits = (bits << 6) | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held);
      bits &= (1U << held) - 1;
    }
  }
  // Bits that encode nothing must be zero: else two texts would mean the same bytes.
  if (bits == 0) return true;
  out.resize(before);
  return false;
}

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = (bits << 8) | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kBase64[(bits >> (18 - 6 * k)) & 63] : '=';
  }
  return text;
}

}  // namespace sluice
