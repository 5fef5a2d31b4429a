// Literals from and to text; the readers of single types are in scalar_text.cc.
#include <chrono>

#include <fmt/format.h>

#include "schema/scalar_text.h"

namespace sluice {
namespace {

template <class T>
std::optional<Literal> literal(std::optional<T> value) {
  if (!value) return std::nullopt;
  return Literal(*value);
}

std::string decimal_text(Int128 value, int scale) {
  const bool negative = value < 0;
  std::string digits;
  // The remainder of a negative number is negative, so the smallest value needs no negation.
  for (Int128 rest = value; rest != 0; rest /= 10) {
    const int digit = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  while (static_cast<int>(digits.size()) <= scale) digits += '0';
  std::string text = negative ? "-" : "";
  for (size_t i = digits.size(); i-- > 0;) {
    text += digits[i];
    if (i != 0 && static_cast<int>(i) == scale) text += '.';
  }
  return text;
}

std::string date_text(int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string time_text(int64_t us) {
  const int64_t seconds = us / 1'000'000;
  std::string text = fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (us % 1'000'000 != 0) text += fmt::format(".{:06}", us % 1'000'000);
  return text;
}

std::string timestamp_text(int64_t us) {
  constexpr int64_t kDayUs = 86'400'000'000;
  const int64_t days = us >= 0 ? us / kDayUs : -((-(us + 1)) / kDayUs) - 1;
  return date_text(days) + 'T' + time_text(us - days * kDayUs);
}

std::string uuid_text(const std::string& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

}  // namespace

std::optional<Literal> read_literal(const Type& type, std::string_view text) {
  switch (type.id) {
    case TypeId::kBoolean: return literal(read_bool(text));
    case TypeId::kInt: return literal(read_int(text));
    case TypeId::kLong: return literal(read_long(text));
    case TypeId::kFloat: return literal(read_float(text));
    case TypeId::kDouble: return literal(read_double(text));
    case TypeId::kDecimal: return literal(read_decimal(text, type.precision, type.scale));
    case TypeId::kDate: return literal(read_date(text));
    case TypeId::kTime: return literal(read_time(text));
    case TypeId::kTimestamp: return literal(read_timestamp(text));
    case TypeId::kTimestamptz: return literal(read_timestamptz(text));
    case TypeId::kString: return Literal(std::string(text));
    case TypeId::kUuid: {
      std::string bytes(16, '\0');
      if (!read_uuid(text, reinterpret_cast<uint8_t*>(bytes.data()))) return std::nullopt;
      return Literal(std::move(bytes));
    }
    case TypeId::kFixed:
    case TypeId::kBinary: {
      std::string bytes;
      if (!decode_base64(text, bytes)) return std::nullopt;
      if (type.id == TypeId::kFixed && static_cast<int>(bytes.size()) != type.length) return std::nullopt;
      return Literal(std::move(bytes));
    }
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap: break;
  }
  return std::nullopt;
}

std::string to_text(const Type& type, const Literal& value) {
  if (is_null(value)) return "null";
  switch (type.id) {
    case TypeId::kBoolean: return std::get<bool>(value) ? "true" : "false";
    case TypeId::kInt: return fmt::to_string(std::get<int32_t>(value));
    case TypeId::kLong: return fmt::to_string(std::get<int64_t>(value));
    case TypeId::kFloat: return fmt::to_string(std::get<float>(value));
    case TypeId::kDouble: return fmt::to_string(std::get<double>(value));
    case TypeId::kDecimal: return decimal_text(std::get<Int128>(value), type.scale);
    case TypeId::kDate: return date_text(std::get<int32_t>(value));
    case TypeId::kTime: return time_text(std::get<int64_t>(value));
    case TypeId::kTimestamp: return timestamp_text(std::get<int64_t>(value));
    case TypeId::kTimestamptz: return timestamp_text(std::get<int64_t>(value)) + "+00:00";
    case TypeId::kString: return std::get<std::string>(value);
    case TypeId::kUuid: return uuid_text(std::get<std::string>(value));
    case TypeId::kFixed:
    case TypeId::kBinary: return encode_base64(std::get<std::string>(value));
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap: break;
  }
  return {};
}

}  // namespace sluice
