#include "iceberg/transform.h"

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "parquet/metrics.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

constexpr int64_t kMicrosPerHour = 3'600'000'000;
constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;
constexpr int kEpochYear = 1970;

struct Named {
  std::string_view name;
  Transform::Kind kind;
  bool has_width;
};
constexpr std::array kNames = {
    Named{"identity", Transform::kIdentity, false}, Named{"bucket", Transform::kBucket, true},
    Named{"truncate", Transform::kTruncate, true},  Named{"year", Transform::kYear, false},
    Named{"month", Transform::kMonth, false},       Named{"day", Transform::kDay, false},
    Named{"hour", Transform::kHour, false},         Named{"void", Transform::kVoid, false},
};

const Named& named(Transform::Kind kind) { return kNames[static_cast<size_t>(kind)]; }

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

bool is_timestamp(TypeId id) { return id == TypeId::kTimestamp || id == TypeId::kTimestamptz; }

bool is_defined(Transform::Kind kind, const Type& source) {
  const TypeId id = source.id;
  switch (kind) {
    case Transform::kVoid: return true;
    case Transform::kIdentity: return !source.is_nested();
    case Transform::kBucket: return !source.is_nested() && id != TypeId::kBoolean && id != TypeId::kFloat && id != TypeId::kDouble;
    case Transform::kTruncate:
      return id == TypeId::kInt || id == TypeId::kLong || id == TypeId::kDecimal || id == TypeId::kString || id == TypeId::kBinary;
    case Transform::kHour: return is_timestamp(id);
    default: return id == TypeId::kDate || is_timestamp(id);
  }
}

Int128 truncate_decimal(Int128 value, Int128 width) {
  const Int128 rest = value % width;
  return value - (rest < 0 ? rest + width : rest);
}

Literal truncate(const Type& source, int width, const Literal& value) {
  switch (source.id) {
    case TypeId::kInt: return static_cast<int32_t>(truncate_number(std::get<int32_t>(value), width));
    case TypeId::kLong: return truncate_number(std::get<int64_t>(value), width);
    case TypeId::kDecimal: return truncate_decimal(std::get<Int128>(value), width);
    case TypeId::kString: return std::string(truncate_text(std::get<std::string>(value), width));
    default: return std::get<std::string>(value).substr(0, static_cast<size_t>(width));
  }
}

int64_t as_long(const Literal& value) {
  if (const auto* number = std::get_if<int32_t>(&value)) return *number;
  return std::get<int64_t>(value);
}

std::chrono::year_month_day civil(int64_t days) { return std::chrono::sys_days(std::chrono::days(days)); }

std::string day_text(int64_t days) {
  const auto date = civil(days);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

}  // namespace

Result<Transform> parse_transform(std::string_view text) {
  for (const Named& known : kNames) {
    if (!known.has_width && text == known.name) return Transform{known.kind};
    if (!known.has_width || !text.starts_with(known.name) || !text.ends_with(']') || text[known.name.size()] != '[') continue;
    const char* first = text.data() + known.name.size() + 1;
    const char* last = text.data() + text.size() - 1;
    int width = 0;
    const auto [end, error] = std::from_chars(first, last, width);
    if (error == std::errc() && end == last && width > 0) return Transform{known.kind, width};
  }
  return invalid_input(fmt::format("partition transform \"{}\" is not known to this program: change the table's partition spec", text));
}

std::string to_text(const Transform& transform) {
  const Named& known = named(transform.kind);
  return known.has_width ? fmt::format("{}[{}]", known.name, transform.width) : std::string(known.name);
}

Result<TypePtr> result_type(const Transform& transform, const TypePtr& source) {
  if (!is_defined(transform.kind, *source)) {
    return invalid_input(fmt::format("partition transform {} is not defined for type {}", to_text(transform), to_text(*source)));
  }
  switch (transform.kind) {
    case Transform::kIdentity:
    case Transform::kTruncate:
    case Transform::kVoid: return source;
    case Transform::kDay: return make_type(TypeId::kDate);
    default: return make_type(TypeId::kInt);
  }
}

uint32_t bucket_hash(std::string_view bytes) {
  constexpr uint32_t kC1 = 0xcc9e2d51, kC2 = 0x1b873593;
  uint32_t hash = 0;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t block;
    std::memcpy(&block, bytes.data() + at, 4);
    hash = std::rotl(hash ^ std::rotl(block * kC1, 15) * kC2, 13) * 5 + 0xe6546b64;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > at; --i) tail = tail << 8 | static_cast<unsigned char>(bytes[i - 1]);
  hash ^= std::rotl(tail * kC1, 15) * kC2;
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return hash ^ hash >> 16;
}

uint32_t bucket_hash(int64_t value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  return bucket_hash(std::string_view(bytes, sizeof(value)));
}

uint32_t bucket_hash(const Type& source, const Literal& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return bucket_hash(std::string_view(*text));
  if (std::holds_alternative<Int128>(value)) return bucket_hash(std::string_view(to_single_value(source, value)));
  return bucket_hash(as_long(value));
}

int64_t truncate_number(int64_t value, int64_t width) {
  const int64_t rest = value % width;
  // Wraps below the smallest number, as Java does: every writer must agree.
  return static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(rest < 0 ? rest + width : rest));
}

int32_t transform_time(Transform::Kind kind, TypeId source, int64_t value) {
  if (kind == Transform::kHour) return static_cast<int32_t>(floor_divide(value, kMicrosPerHour));
  const int64_t days = source == TypeId::kDate ? value : floor_divide(value, kMicrosPerDay);
  if (kind == Transform::kDay) return static_cast<int32_t>(days);
  const auto date = civil(days);
  const int years = static_cast<int>(date.year()) - kEpochYear;
  if (kind == Transform::kYear) return years;
  return years * 12 + static_cast<int>(static_cast<unsigned>(date.month())) - 1;
}

Literal apply(const Transform& transform, const Type& source, const Literal& value) {
  if (is_null(value) || transform.kind == Transform::kVoid) return {};
  switch (transform.kind) {
    case Transform::kIdentity: return value;
    case Transform::kBucket:
      return static_cast<int32_t>((bucket_hash(source, value) & 0x7fffffff) % static_cast<uint32_t>(transform.width));
    case Transform::kTruncate: return truncate(source, transform.width, value);
    default: return transform_time(transform.kind, source.id, as_long(value));
  }
}

std::string to_human(const Transform& transform, const Type& source, const Literal& partition_value) {
  if (is_null(partition_value)) return "null";
  switch (transform.kind) {
    case Transform::kBucket: return fmt::format("{}", std::get<int32_t>(partition_value));
    case Transform::kYear: return fmt::format("{:04}", kEpochYear + std::get<int32_t>(partition_value));
    case Transform::kMonth: {
      const int64_t months = std::get<int32_t>(partition_value);
      const int64_t years = floor_divide(months, 12);
      return fmt::format("{:04}-{:02}", kEpochYear + years, months - years * 12 + 1);
    }
    case Transform::kDay: return day_text(std::get<int32_t>(partition_value));
    case Transform::kHour: {
      const int64_t hours = std::get<int32_t>(partition_value);
      const int64_t days = floor_divide(hours, 24);
      return fmt::format("{}-{:02}", day_text(days), hours - days * 24);
    }
    default: return to_text(source, partition_value);
  }
}

}  // namespace sluice
