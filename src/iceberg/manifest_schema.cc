#include "iceberg/manifest_schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <set>

namespace sluice {
namespace {

std::string required(std::string_view name, std::string_view type, int id) {
  return fmt::format(R"({{"name":"{}","type":{},"field-id":{}}})", name, type, id);
}

std::string optional(std::string_view name, std::string_view type, int id) {
  return fmt::format(R"({{"name":"{}","type":["null",{}],"default":null,"field-id":{}}})", name, type, id);
}

std::string record(std::string_view name, const std::vector<std::string>& fields) {
  return fmt::format(R"({{"type":"record","name":"{}","fields":[{}]}})", name, fmt::join(fields, ","));
}

/// Maps with int keys are arrays of pairs.
std::string map_of(int key_id, int value_id, std::string_view value) {
  return fmt::format(
      R"({{"type":"array","logicalType":"map","items":{}}})",
      record(fmt::format("k{}_v{}", key_id, value_id), {required("key", R"("int")", key_id), required("value", value, value_id)}));
}

std::string array_of(std::string_view items, int element_id) {
  return fmt::format(R"({{"type":"array","items":{},"element-id":{}}})", items, element_id);
}

/// Avro's names may be defined once, and some readers do not follow a second use to the first: it gets a name of its own.
std::string unused_name(const std::string& name, int id, std::set<std::string>& used) {
  if (used.insert(name).second) return name;
  std::string other = fmt::format("{}_{}", name, id);
  while (!used.insert(other).second) other += '_';
  return other;
}

std::string fixed(std::string name, int size, const std::string& logical, int id, std::set<std::string>& defined) {
  name = unused_name(name, id, defined);
  return fmt::format(R"({{"type":"fixed","name":"{}","size":{}{}}})", name, size, logical);
}

std::string partition_type(const Type& type, int id, std::set<std::string>& defined) {
  switch (type.id) {
    case TypeId::kBoolean: return R"("boolean")";
    case TypeId::kInt: return R"("int")";
    case TypeId::kLong: return R"("long")";
    case TypeId::kFloat: return R"("float")";
    case TypeId::kDouble: return R"("double")";
    case TypeId::kDate: return R"({"type":"int","logicalType":"date"})";
    case TypeId::kTime: return R"({"type":"long","logicalType":"time-micros"})";
    case TypeId::kTimestamp: return R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":false})";
    case TypeId::kTimestamptz: return R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true})";
    case TypeId::kUuid: return fixed("uuid_fixed", 16, R"(,"logicalType":"uuid")", id, defined);
    case TypeId::kFixed: return fixed(fmt::format("fixed_{}", type.length), type.length, "", id, defined);
    case TypeId::kDecimal:
      return fixed(fmt::format("decimal_{}_{}", type.precision, type.scale), decimal_bytes(type.precision),
                   fmt::format(R"(,"logicalType":"decimal","precision":{},"scale":{})", type.precision, type.scale), id, defined);
    case TypeId::kBinary: return R"("bytes")";
    default: return R"("string")";
  }
}

/// `text` as a JSON string, quotes included.
std::string quoted(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

/// Avro names are letters, digits and underscores: other characters become _xHH (and a leading digit gets an underscore before it).
std::string avro_name(const std::string& name) {
  std::string safe;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (digit && safe.empty()) safe += '_';
    if (digit || letter) {
      safe += c;
    } else {
      safe += fmt::format("_x{:02X}", static_cast<unsigned char>(c));
    }
  }
  return safe;
}

std::string partition_record(const PartitionSpec& spec, const std::vector<TypePtr>& types) {
  std::vector<std::string> fields;
  std::set<std::string> defined, names;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    const std::string name = unused_name(avro_name(field.name), field.field_id, names);
    std::string text = optional(name, partition_type(*types[i], field.field_id, defined), field.field_id);
    if (name != field.name) text.insert(text.size() - 1, fmt::format(R"(,"iceberg-field-name":{})", quoted(field.name)));
    fields.push_back(std::move(text));
  }
  return record("r102", fields);
}

}  // namespace

int decimal_bytes(int precision) {
  // The fewest bytes whose signed range holds 10^precision - 1.
  static constexpr int kBytes[] = {1, 1, 1,  2,  2,  3,  3,  4,  4,  4,  5,  5,  6,  6,  6,  7,  7,  8,  8, 9,
                                   9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
  return kBytes[precision];
}

std::string manifest_entry_schema(const PartitionSpec& spec, const std::vector<TypePtr>& types) {
  const std::string data_file = record(
      "r2",
      {required("content", R"("int")", 134), required("file_path", R"("string")", 100), required("file_format", R"("string")", 101),
       required("partition", partition_record(spec, types), 102), required("record_count", R"("long")", 103),
       required("file_size_in_bytes", R"("long")", 104), optional("column_sizes", map_of(117, 118, R"("long")"), 108),
       optional("value_counts", map_of(119, 120, R"("long")"), 109), optional("null_value_counts", map_of(121, 122, R"("long")"), 110),
       optional("nan_value_counts", map_of(138, 139, R"("long")"), 137), optional("lower_bounds", map_of(126, 127, R"("bytes")"), 125),
       optional("upper_bounds", map_of(129, 130, R"("bytes")"), 128), optional("key_metadata", R"("bytes")", 131),
       optional("split_offsets", array_of(R"("long")", 133), 132), optional("equality_ids", array_of(R"("int")", 136), 135),
       optional("sort_order_id", R"("int")", 140), optional("referenced_data_file", R"("string")", 143)});
  return record("manifest_entry",
                {required("status", R"("int")", 0), optional("snapshot_id", R"("long")", 1), optional("sequence_number", R"("long")", 3),
                 optional("file_sequence_number", R"("long")", 4), required("data_file", data_file, 2)});
}

std::string manifest_file_schema() {
  const std::string summary = record("r508", {required("contains_null", R"("boolean")", 509), optional("contains_nan", R"("boolean")", 518),
                                              optional("lower_bound", R"("bytes")", 510), optional("upper_bound", R"("bytes")", 511)});
  return record("manifest_file", {required("manifest_path", R"("string")", 500), required("manifest_length", R"("long")", 501),
                                  required("partition_spec_id", R"("int")", 502), required("content", R"("int")", 517),
                                  required("sequence_number", R"("long")", 515), required("min_sequence_number", R"("long")", 516),
                                  required("added_snapshot_id", R"("long")", 503), required("added_files_count", R"("int")", 504),
                                  required("existing_files_count", R"("int")", 505), required("deleted_files_count", R"("int")", 506),
                                  required("added_rows_count", R"("long")", 512), required("existing_rows_count", R"("long")", 513),
                                  required("deleted_rows_count", R"("long")", 514), optional("partitions", array_of(summary, 508), 507),
                                  optional("key_metadata", R"("bytes")", 519)});
}

}  // namespace sluice
