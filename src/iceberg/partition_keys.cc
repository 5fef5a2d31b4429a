#include "iceberg/partition_keys.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/util/decimal.h>

namespace sluice {
namespace {

/// Gives every distinct key a code. Neighbours are mostly equal: the last key is remembered.
template <class Key>
class Coder {
 public:
  /// `value` makes the Literal of a key not seen before.
  template <class View, class MakeValue>
  int32_t code_of(const View& key, KeyColumn& column, const MakeValue& value) {
    if (last_code_ >= 0 && key == last_) return last_code_;
    const auto [entry, is_new] = codes_.try_emplace(Key(key), static_cast<int32_t>(column.values.size()));
    if (is_new) column.values.push_back(value());
    last_ = entry->first;
    return last_code_ = entry->second;
  }

 private:
  std::unordered_map<Key, int32_t> codes_;
  Key last_ = {};
  int32_t last_code_ = -1;
};

/// The code of null, made when first needed.
class NullCode {
 public:
  int32_t code_in(KeyColumn& column) {
    if (code_ < 0) {
      code_ = static_cast<int32_t>(column.values.size());
      column.values.emplace_back();
    }
    return code_;
  }

 private:
  int32_t code_ = -1;
};

Literal number_literal(const Type& type, int64_t value) {
  if (type.id == TypeId::kInt || type.id == TypeId::kDate) return static_cast<int32_t>(value);
  return value;
}

/// int, long, date, time and timestamps, whose transforms need no Literal per row.
template <class Values>
KeyColumn transform_numbers(const Transform& transform, const Type& source, const Values& values) {
  KeyColumn column;
  column.codes.reserve(static_cast<size_t>(values.length()));
  Coder<int64_t> coder;
  NullCode null;
  const bool keeps_type = transform.kind == Transform::kIdentity || transform.kind == Transform::kTruncate;
  const bool truncates_int = transform.kind == Transform::kTruncate && source.id == TypeId::kInt;
  const auto key_of = [&](int64_t value) -> int64_t {
    switch (transform.kind) {
      case Transform::kIdentity: return value;
      case Transform::kBucket: return (bucket_hash(value) & 0x7fffffff) % static_cast<uint32_t>(transform.width);
      case Transform::kTruncate: {
        const int64_t key = truncate_number(value, transform.width);
        return truncates_int ? static_cast<int32_t>(key) : key;
      }
      default: return transform_time(transform.kind, source.id, value);
    }
  };
  const auto* raw = values.raw_values();
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      column.codes.push_back(null.code_in(column));
      continue;
    }
    const int64_t key = key_of(raw[i]);
    column.codes.push_back(
        coder.code_of(key, column, [&] { return keeps_type ? number_literal(source, key) : Literal(static_cast<int32_t>(key)); }));
  }
  return column;
}

/// A Literal's key: what makes it distinct, NaN included.
std::string key_bytes(const Type& type, const Literal& value) { return is_null(value) ? std::string() : to_single_value(type, value); }

/// Any type, one Literal per row.
KeyColumn transform_values(const Transform& transform, const Type& source, const arrow::Array& values) {
  KeyColumn column;
  column.codes.reserve(static_cast<size_t>(values.length()));
  Coder<std::string> coder;
  NullCode null;
  const bool is_bucket = transform.kind == Transform::kBucket;
  const Type& result = is_bucket ? *make_type(TypeId::kInt) : source;
  for (int64_t i = 0; i < values.length(); ++i) {
    if (transform.kind == Transform::kVoid || values.IsNull(i)) {
      column.codes.push_back(null.code_in(column));
      continue;
    }
    Literal value = apply(transform, source, literal_at(values, source, i));
    const std::string key = key_bytes(result, value);
    column.codes.push_back(coder.code_of(key, column, [&] { return std::move(value); }));
  }
  return column;
}

/// A dictionary's values are transformed once each.
KeyColumn transform_dictionary(const Transform& transform, const Type& source, const arrow::DictionaryArray& coded) {
  KeyColumn column = transform_column(transform, source, *coded.dictionary());
  const std::vector<int32_t> words = std::exchange(column.codes, {});
  NullCode null;
  for (size_t i = 0; i < column.values.size(); ++i) {
    if (!is_null(column.values[i])) continue;
    // Two codes for null would make two partitions of one.
    for (int64_t row = 0; row < coded.length(); ++row) {
      column.codes.push_back(coded.IsNull(row) ? static_cast<int32_t>(i) : words[coded.GetValueIndex(row)]);
    }
    return column;
  }
  for (int64_t row = 0; row < coded.length(); ++row) {
    column.codes.push_back(coded.IsNull(row) ? null.code_in(column) : words[coded.GetValueIndex(row)]);
  }
  return column;
}

std::shared_ptr<arrow::Array> find_below(const std::vector<Field>& fields, const std::vector<std::shared_ptr<arrow::Array>>& arrays,
                                         int field_id) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].id == field_id) return arrays[i];
    if (fields[i].type->id != TypeId::kStruct) continue;
    const auto& rows = static_cast<const arrow::StructArray&>(*arrays[i]);
    auto members = rows.Flatten();  // with the struct's nulls; it only allocates bitmaps
    if (!members.ok()) members.status().Abort("flattening a struct");
    if (auto found = find_below(fields[i].type->fields, *members, field_id)) return found;
  }
  return nullptr;
}

/// Joins two codings of the same rows: `right` codes of a column into `left` tuples.
void join(PartitionKeys& left, const KeyColumn& right) {
  std::unordered_map<uint64_t, int32_t> codes;
  std::vector<std::vector<Literal>> tuples;
  uint64_t last = ~uint64_t{0};
  int32_t last_code = -1;
  for (size_t row = 0; row < left.codes.size(); ++row) {
    const uint64_t pair = static_cast<uint64_t>(left.codes[row]) << 32 | static_cast<uint32_t>(right.codes[row]);
    if (pair != last) {
      const auto [entry, is_new] = codes.try_emplace(pair, static_cast<int32_t>(tuples.size()));
      if (is_new) {
        tuples.push_back(left.tuples[left.codes[row]]);
        tuples.back().push_back(right.values[right.codes[row]]);
      }
      last = pair;
      last_code = entry->second;
    }
    left.codes[row] = last_code;
  }
  left.tuples = std::move(tuples);
}

}  // namespace

Literal literal_at(const arrow::Array& array, const Type& type, int64_t row) {
  if (array.IsNull(row)) return {};
  switch (type.id) {
    case TypeId::kBoolean: return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case TypeId::kInt: return static_cast<const arrow::Int32Array&>(array).Value(row);
    case TypeId::kDate: return static_cast<const arrow::Date32Array&>(array).Value(row);
    case TypeId::kLong: return static_cast<const arrow::Int64Array&>(array).Value(row);
    case TypeId::kTime: return static_cast<const arrow::Time64Array&>(array).Value(row);
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return static_cast<const arrow::TimestampArray&>(array).Value(row);
    case TypeId::kFloat: return static_cast<const arrow::FloatArray&>(array).Value(row);
    case TypeId::kDouble: return static_cast<const arrow::DoubleArray&>(array).Value(row);
    case TypeId::kDecimal: {
      const arrow::Decimal128 value(static_cast<const arrow::Decimal128Array&>(array).GetValue(row));
      return static_cast<Int128>(value.high_bits()) * (Int128{1} << 64) + static_cast<Int128>(value.low_bits());
    }
    case TypeId::kUuid: {
      const auto& storage = *static_cast<const arrow::ExtensionArray&>(array).storage();
      return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(storage).GetView(row));
    }
    case TypeId::kFixed: return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
    default: return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
  }
}

KeyColumn transform_column(const Transform& transform, const Type& source, const arrow::Array& column) {
  if (column.type_id() == arrow::Type::DICTIONARY) {
    return transform_dictionary(transform, source, static_cast<const arrow::DictionaryArray&>(column));
  }
  if (transform.kind == Transform::kVoid) return transform_values(transform, source, column);
  switch (source.id) {
    case TypeId::kInt: return transform_numbers(transform, source, static_cast<const arrow::Int32Array&>(column));
    case TypeId::kDate: return transform_numbers(transform, source, static_cast<const arrow::Date32Array&>(column));
    case TypeId::kLong: return transform_numbers(transform, source, static_cast<const arrow::Int64Array&>(column));
    case TypeId::kTime: return transform_numbers(transform, source, static_cast<const arrow::Time64Array&>(column));
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return transform_numbers(transform, source, static_cast<const arrow::TimestampArray&>(column));
    default: return transform_values(transform, source, column);
  }
}

std::shared_ptr<arrow::Array> find_source(const Schema& schema, const arrow::RecordBatch& batch, int field_id) {
  return find_below(schema.fields, batch.columns(), field_id);
}

PartitionKeys partition_keys(const std::vector<BoundPartitionField>& fields, const Schema& schema, const arrow::RecordBatch& batch) {
  PartitionKeys keys;
  keys.codes.assign(static_cast<size_t>(batch.num_rows()), 0);
  keys.tuples.emplace_back();
  for (const BoundPartitionField& field : fields) {
    const auto source = field.transform.kind == Transform::kVoid ? nullptr : find_source(schema, batch, field.source_id);
    if (source == nullptr) {  // void, whose column may be gone
      for (auto& tuple : keys.tuples) tuple.emplace_back();
      continue;
    }
    join(keys, transform_column(field.transform, *field.source_type, *source));
  }
  return keys;
}

}  // namespace sluice
