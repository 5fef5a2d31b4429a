// Writes manifests entry by entry: encodes, counts, and keeps the bounds of each partition field for the manifest list.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "iceberg/avro.h"
#include "iceberg/json_fields.h"
#include "iceberg/manifest.h"
#include "iceberg/manifest_schema.h"
#include "iceberg/metadata_json.h"
#include "iceberg/transform.h"
#include "schema/schema_json.h"

namespace sluice {
namespace {

void put_optional_long(AvroEncoder& out, const std::optional<int64_t>& value) {
  out.put_branch(value ? 1 : 0);
  if (value) out.put_long(*value);
}

void put_optional_bytes(AvroEncoder& out, const std::optional<std::string>& value) {
  out.put_branch(value ? 1 : 0);
  if (value) out.put_bytes(*value);
}

template <class Map, class PutValue>
void put_optional_map(AvroEncoder& out, const Map& map, PutValue put_value) {
  out.put_branch(map.empty() ? 0 : 1);
  if (map.empty()) return;
  out.put_long(static_cast<int64_t>(map.size()));
  for (const auto& [key, value] : map) {
    out.put_int(key);
    put_value(value);
  }
  out.put_long(0);
}

template <class Items>
void put_optional_array(AvroEncoder& out, const Items& items) {
  out.put_branch(items.empty() ? 0 : 1);
  if (items.empty()) return;
  out.put_long(static_cast<int64_t>(items.size()));
  for (const auto item : items) out.put_long(item);
  out.put_long(0);
}

std::string big_endian(Int128 value, int bytes) {
  std::string text(static_cast<size_t>(bytes), '\0');
  for (int i = bytes - 1; i >= 0; --i, value >>= 8) text[static_cast<size_t>(i)] = static_cast<char>(value & 0xff);
  return text;
}

/// kInvalidInput where the literal is not of the type's alternative.
Result<void> put_partition_value(AvroEncoder& out, const Type& type, const Literal& value) {
  out.put_branch(is_null(value) ? 0 : 1);
  if (is_null(value)) return {};
  if (const auto* flag = std::get_if<bool>(&value)) return out.put_boolean(*flag), Result<void>{};
  if (const auto* number = std::get_if<int32_t>(&value)) return out.put_int(*number), Result<void>{};
  if (const auto* number = std::get_if<int64_t>(&value)) return out.put_long(*number), Result<void>{};
  if (const auto* number = std::get_if<float>(&value)) return out.put_float(*number), Result<void>{};
  if (const auto* number = std::get_if<double>(&value)) return out.put_double(*number), Result<void>{};
  if (const auto* number = std::get_if<Int128>(&value)) {
    if (type.id != TypeId::kDecimal) return invalid_input("a decimal partition value for a field of type " + to_text(type));
    out.put_fixed(big_endian(*number, decimal_bytes(type.precision)));
    return {};
  }
  const std::string& text = std::get<std::string>(value);
  const int fixed_size = type.id == TypeId::kUuid ? 16 : type.id == TypeId::kFixed ? type.length : -1;
  if (fixed_size < 0) return out.put_bytes(text), Result<void>{};
  if (text.size() != static_cast<size_t>(fixed_size)) return invalid_input("a partition value of the wrong length for " + to_text(type));
  out.put_fixed(text);
  return {};
}

bool is_nan(const Literal& value) {
  if (const auto* number = std::get_if<float>(&value)) return std::isnan(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::isnan(*number);
  return false;
}

/// Bounds of one partition field while entries pass.
struct FieldBounds {
  bool contains_null = false, contains_nan = false;
  Literal lower, upper;

  void add(const Literal& value) {
    if (is_null(value)) {
      contains_null = true;
    } else if (is_nan(value)) {
      contains_nan = true;
    } else {
      if (is_null(lower) || value < lower) lower = value;
      if (is_null(upper) || upper < value) upper = value;
    }
  }

  PartitionSummary summary(const Type& type) const {
    PartitionSummary summary{contains_null, std::nullopt, std::nullopt, std::nullopt};
    if (type.id == TypeId::kFloat || type.id == TypeId::kDouble) summary.contains_nan = contains_nan;
    if (!is_null(lower)) summary.lower_bound = to_single_value(type, lower);
    if (!is_null(upper)) summary.upper_bound = to_single_value(type, upper);
    return summary;
  }
};

std::map<std::string, std::string> manifest_header(const ManifestShape& shape) {
  return {{"schema", shape.schema_json},
          {"schema-id", std::to_string(shape.schema.schema_id)},
          {"partition-spec", fields_to_json(shape.spec).dump()},
          {"partition-spec-id", std::to_string(shape.spec.spec_id)},
          {"format-version", "2"},
          {"content", shape.content == 0 ? "data" : "deletes"}};
}

class AvroManifestWriter final : public ManifestWriter {
 public:
  explicit AvroManifestWriter(ManifestShape shape)
      : shape_(std::move(shape)),
        file_(manifest_entry_schema(shape_.spec, shape_.partition_types), manifest_header(shape_)),
        bounds_(shape_.spec.fields.size()) {
    summary_.spec_id = shape_.spec.spec_id;
    summary_.content = shape_.content;
    summary_.sequence_number = kSequenceNumberNotAssigned;
    summary_.min_sequence_number = kSequenceNumberNotAssigned;
    summary_.added_snapshot_id = shape_.snapshot_id;
  }

  Result<void> append(const ManifestEntry& entry) override {
    if (entry.file.partition.size() != shape_.spec.fields.size()) {
      return invalid_input(fmt::format("{}: {} partition values for a spec of {} fields", entry.file.file_path, entry.file.partition.size(),
                                       shape_.spec.fields.size()));
    }
    record_.clear();
    record_.put_int(static_cast<int32_t>(entry.status));
    put_optional_long(record_, entry.snapshot_id);
    put_optional_long(record_, entry.sequence_number);
    put_optional_long(record_, entry.file_sequence_number);
    TRY(put_file(entry.file));
    file_.append(record_.bytes());
    count(entry);
    return {};
  }

  int64_t size_bytes_estimate() const override { return file_.size_bytes_estimate(); }
  int64_t entries() const override { return entries_; }

  Result<Finished> finish() override {
    TRY_ASSIGN(std::string bytes, file_.finish());
    summary_.length = static_cast<int64_t>(bytes.size());
    for (size_t i = 0; i < bounds_.size(); ++i) summary_.partitions.push_back(bounds_[i].summary(*shape_.partition_types[i]));
    return Finished{std::move(bytes), std::move(summary_)};
  }

 private:
  Result<void> put_file(const DataFile& file) {
    const auto put_long = [&](int64_t value) { record_.put_long(value); };
    const auto put_bytes = [&](const std::string& value) { record_.put_bytes(value); };
    record_.put_int(static_cast<int32_t>(file.content));
    record_.put_bytes(file.file_path);
    record_.put_bytes(file.file_format);
    for (size_t i = 0; i < file.partition.size(); ++i) TRY(put_partition_value(record_, *shape_.partition_types[i], file.partition[i]));
    record_.put_long(file.record_count);
    record_.put_long(file.file_size_bytes);
    put_optional_map(record_, file.column_sizes, put_long);
    put_optional_map(record_, file.value_counts, put_long);
    put_optional_map(record_, file.null_value_counts, put_long);
    put_optional_map(record_, file.nan_value_counts, put_long);
    put_optional_map(record_, file.lower_bounds, put_bytes);
    put_optional_map(record_, file.upper_bounds, put_bytes);
    put_optional_bytes(record_, file.key_metadata);
    put_optional_array(record_, file.split_offsets);
    put_optional_array(record_, file.equality_ids);
    put_optional_long(record_, file.sort_order_id);
    put_optional_bytes(record_, file.referenced_data_file);
    return {};
  }

  void count(const ManifestEntry& entry) {
    ++entries_;
    switch (entry.status) {
      case EntryStatus::kAdded: ++summary_.added_files, summary_.added_rows += entry.file.record_count; break;
      case EntryStatus::kExisting: ++summary_.existing_files, summary_.existing_rows += entry.file.record_count; break;
      case EntryStatus::kDeleted: ++summary_.deleted_files, summary_.deleted_rows += entry.file.record_count; break;
    }
    for (size_t i = 0; i < bounds_.size(); ++i) bounds_[i].add(entry.file.partition[i]);
    if (!entry.sequence_number || entry.status == EntryStatus::kDeleted) return;
    int64_t& least = summary_.min_sequence_number;
    least = least == kSequenceNumberNotAssigned ? *entry.sequence_number : std::min(least, *entry.sequence_number);
  }

  const ManifestShape shape_;
  AvroWriter file_;
  AvroEncoder record_;
  std::vector<FieldBounds> bounds_;
  ManifestFile summary_;
  int64_t entries_ = 0;
};

}  // namespace

Result<std::vector<TypePtr>> partition_types(const TableMetadata& metadata, const PartitionSpec& spec) {
  std::vector<TypePtr> types;
  for (const PartitionField& field : spec.fields) {
    const Field* source = metadata.current_schema().find(field.source_id);
    for (auto schema = metadata.schemas.rbegin(); !source && schema != metadata.schemas.rend(); ++schema)
      source = schema->find(field.source_id);
    if (!source)
      return fail(ErrorCode::kCorruption, fmt::format("partition field {}: no schema knows column {}", field.name, field.source_id));
    TRY_ASSIGN(const Transform transform, parse_transform(field.transform));
    TRY_ASSIGN(TypePtr type, result_type(transform, source->type));
    types.push_back(std::move(type));
  }
  return types;
}

Result<ManifestShape> manifest_shape(const TableMetadata& metadata, int spec_id, int64_t snapshot_id) {
  const PartitionSpec* spec = metadata.find_spec(spec_id);
  if (!spec) return fail(ErrorCode::kConflict, fmt::format("the table has no partition spec {} any more", spec_id));
  ManifestShape shape;
  shape.schema = metadata.current_schema();
  shape.schema_json = to_json(shape.schema).dump();
  shape.spec = *spec;
  TRY_ASSIGN(shape.partition_types, partition_types(metadata, *spec));
  shape.snapshot_id = snapshot_id;
  return shape;
}

std::unique_ptr<ManifestWriter> make_manifest_writer(ManifestShape shape) { return std::make_unique<AvroManifestWriter>(std::move(shape)); }

}  // namespace sluice
