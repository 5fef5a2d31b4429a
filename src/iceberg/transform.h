// Partition transforms: one value of a column -> one value of a partition (spec, "Partition Transforms"). Values and pure functions.
// Does not know arrays: see partition_keys.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "schema/literal.h"
#include "schema/type.h"

namespace sluice {

struct Transform {
  enum Kind { kIdentity, kBucket, kTruncate, kYear, kMonth, kDay, kHour, kVoid } kind = kIdentity;
  int width = 0;  ///< buckets of kBucket, length of kTruncate

  bool operator==(const Transform&) const = default;
};

/// Iceberg's text: "identity", "bucket[16]", "truncate[4]", "day", "void", ... kInvalidInput: one that this program does not know;
/// it must not write to such a partition spec.
Result<Transform> parse_transform(std::string_view text);
std::string to_text(const Transform& transform);

/// The type of the transform's values; day gives date. kInvalidInput: not defined for `source`.
Result<TypePtr> result_type(const Transform& transform, const TypePtr& source);

/// Null stays null. `value` must hold the alternative of `source`, and the transform be defined for it.
Literal apply(const Transform& transform, const Type& source, const Literal& value);

/// The hash that bucket takes modulo its width: murmur3_x86_32, seed 0, of the value's bytes (int, date as 8-byte long).
uint32_t bucket_hash(const Type& source, const Literal& value);
uint32_t bucket_hash(int64_t value);
uint32_t bucket_hash(std::string_view bytes);

/// What the transforms do to one number; `source` decides the unit (days of a date, else microseconds).
int64_t truncate_number(int64_t value, int64_t width);
int32_t transform_time(Transform::Kind kind, TypeId source, int64_t value);

/// A partition value for people and paths: "2024-01-31", "2024-01", "2024-01-31-07", "null". `source` is the column's type.
std::string to_human(const Transform& transform, const Type& source, const Literal& partition_value);

}  // namespace sluice
