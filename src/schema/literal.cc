#include "schema/literal.h"

#include <bit>
#include <cstring>

#include <fmt/format.h>

namespace sluice {
namespace {

static_assert(std::endian::native == std::endian::little, "single values are little-endian in memory here");

template <class T>
std::string to_bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <class T>
T of_bytes(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

std::string decimal_bytes(Int128 value) {
  std::string bytes;
  for (int shift = 120; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  // A leading byte that only repeats the sign of the next one carries nothing.
  size_t skip = 0;
  while (skip < bytes.size() - 1) {
    const bool next_negative = (bytes[skip + 1] & 0x80) != 0;
    if (bytes[skip] != (next_negative ? '\xff' : '\0')) break;
    ++skip;
  }
  return bytes.substr(skip);
}

Int128 decimal_of_bytes(std::string_view bytes) {
  Int128 value = (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (char byte : bytes) value = value * 256 + static_cast<unsigned char>(byte);
  return value;
}

std::unexpected<Error> wrong_length(const Type& type, std::string_view bytes) {
  return fail(ErrorCode::kCorruption, fmt::format("a single value of type {} has {} bytes", to_text(type), bytes.size()));
}

}  // namespace

std::string to_single_value(const Type& type, const Literal& value) {
  switch (type.id) {
    case TypeId::kBoolean: return std::string(1, std::get<bool>(value) ? '\1' : '\0');
    case TypeId::kInt:
    case TypeId::kDate: return to_bytes(std::get<int32_t>(value));
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return to_bytes(std::get<int64_t>(value));
    case TypeId::kFloat: return to_bytes(std::get<float>(value));
    case TypeId::kDouble: return to_bytes(std::get<double>(value));
    case TypeId::kDecimal: return decimal_bytes(std::get<Int128>(value));
    case TypeId::kString:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary: return std::get<std::string>(value);
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap: break;
  }
  return {};
}

Result<Literal> from_single_value(const Type& type, std::string_view bytes) {
  switch (type.id) {
    case TypeId::kBoolean:
      if (bytes.size() != 1) return wrong_length(type, bytes);
      return Literal(bytes[0] != 0);
    case TypeId::kInt:
    case TypeId::kDate:
      if (bytes.size() != 4) return wrong_length(type, bytes);
      return Literal(of_bytes<int32_t>(bytes));
    case TypeId::kLong:
      // Bounds written before the column was widened from int keep their four bytes.
      if (bytes.size() == 4) return Literal(int64_t{of_bytes<int32_t>(bytes)});
      [[fallthrough]];
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz:
      if (bytes.size() != 8) return wrong_length(type, bytes);
      return Literal(of_bytes<int64_t>(bytes));
    case TypeId::kFloat:
      if (bytes.size() != 4) return wrong_length(type, bytes);
      return Literal(of_bytes<float>(bytes));
    case TypeId::kDouble:
      if (bytes.size() == 4) return Literal(double{of_bytes<float>(bytes)});
      if (bytes.size() != 8) return wrong_length(type, bytes);
      return Literal(of_bytes<double>(bytes));
    case TypeId::kDecimal:
      if (bytes.empty() || bytes.size() > 16) return wrong_length(type, bytes);
      return Literal(decimal_of_bytes(bytes));
    case TypeId::kUuid:
      if (bytes.size() != 16) return wrong_length(type, bytes);
      return Literal(std::string(bytes));
    case TypeId::kFixed:
      if (static_cast<int>(bytes.size()) != type.length) return wrong_length(type, bytes);
      return Literal(std::string(bytes));
    case TypeId::kString:
    case TypeId::kBinary: return Literal(std::string(bytes));
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap: break;
  }
  return fail(ErrorCode::kCorruption, fmt::format("type {} has no single values", to_text(type)));
}

}  // namespace sluice
