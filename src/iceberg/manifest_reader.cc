// Reads manifests and manifest lists of any writer: fields are found by Iceberg's field ids, never by position. Trusts nothing it reads.
#include <fmt/format.h>

#include <algorithm>

#include "iceberg/avro.h"
#include "iceberg/manifest.h"
#include "iceberg/manifest_schema.h"

namespace sluice {
namespace {

std::unexpected<Error> broken(std::string_view what) { return fail(ErrorCode::kCorruption, fmt::format("manifest: {}", what)); }

/// The record type behind a field: itself, or the branch of ["null", record].
const AvroType* record_in(const AvroTypePtr& type) {
  if (type->kind == AvroType::kRecord) return type.get();
  if (type->kind != AvroType::kUnion) return nullptr;
  for (const AvroField& branch : type->fields) {
    if (branch.type->kind == AvroType::kRecord) return branch.type.get();
  }
  return nullptr;
}

/// Fields of one decoded record, by field id. Remembers the first that is missing or of the wrong kind.
class Record {
 public:
  Record(const AvroType& type, const AvroValue& value) : type_(type), items_(value.items()) {
    if (!items_ || items_->size() != type.fields.size()) error_ = "a record is not one";
  }

  const AvroValue* find(int id) const {
    if (!items_ || items_->size() != type_.fields.size()) return nullptr;
    for (size_t i = 0; i < type_.fields.size(); ++i) {
      if (type_.fields[i].id == id) return (*items_)[i].is_null() ? nullptr : &(*items_)[i];
    }
    return nullptr;
  }

  const AvroType* record_type(int id) const {
    for (const AvroField& field : type_.fields) {
      if (field.id == id) return record_in(field.type);
    }
    return nullptr;
  }

  std::optional<int64_t> maybe_integer(int id) {
    const AvroValue* value = find(id);
    if (!value) return std::nullopt;
    if (const auto* number = std::get_if<int64_t>(&value->value)) return *number;
    note(id);
    return std::nullopt;
  }
  int64_t integer(int id) {
    const auto value = maybe_integer(id);
    if (!value) note(id);
    return value.value_or(0);
  }
  int64_t integer(int id, int64_t otherwise) { return maybe_integer(id).value_or(otherwise); }

  std::optional<std::string> maybe_bytes(int id) {
    const AvroValue* value = find(id);
    if (!value) return std::nullopt;
    if (const std::string* bytes = value->bytes()) return *bytes;
    note(id);
    return std::nullopt;
  }
  std::string bytes(int id) {
    auto value = maybe_bytes(id);
    if (!value) note(id);
    return value.value_or("");
  }
  bool flag(int id) {
    const AvroValue* value = find(id);
    if (const auto* set = value ? std::get_if<bool>(&value->value) : nullptr) return *set;
    note(id);
    return false;
  }
  const AvroValue::Items* items(int id) {
    const AvroValue* value = find(id);
    if (value && !value->items()) note(id);
    return value ? value->items() : nullptr;
  }

  void note(int id) {
    if (error_.empty()) error_ = fmt::format("field {} is missing or of the wrong type", id);
  }
  Result<void> check() const { return error_.empty() ? Result<void>{} : broken(error_); }

 private:
  const AvroType& type_;
  const AvroValue::Items* items_;
  std::string error_;
};

/// An int-keyed map: an array of {key, value} records.
template <class T>
std::map<int, T> int_map(Record& record, int id) {
  std::map<int, T> map;
  const auto* pairs = record.items(id);
  if (!pairs) return map;
  for (const AvroValue& pair : *pairs) {
    const auto* fields = pair.items();
    const auto* key = fields && fields->size() == 2 ? std::get_if<int64_t>(&(*fields)[0].value) : nullptr;
    const auto* value = key ? std::get_if<T>(&(*fields)[1].value) : nullptr;
    if (!value) {
      record.note(id);
      return map;
    }
    map.emplace(static_cast<int>(*key), *value);
  }
  return map;
}

std::vector<int64_t> integers(Record& record, int id) {
  std::vector<int64_t> numbers;
  const auto* items = record.items(id);
  if (!items) return numbers;
  for (const AvroValue& item : *items) {
    const auto* number = std::get_if<int64_t>(&item.value);
    if (!number) {
      record.note(id);
      return numbers;
    }
    numbers.push_back(*number);
  }
  return numbers;
}

Int128 from_big_endian(const std::string& bytes) {
  Int128 value = !bytes.empty() && (bytes[0] & 0x80) ? -1 : 0;
  for (const char byte : bytes) value = value * 256 + static_cast<unsigned char>(byte);
  return value;
}

/// nullopt: the value does not fit the type.
std::optional<Literal> partition_literal(const Type& type, const AvroValue& value) {
  if (value.is_null()) return Literal{};
  const auto* number = std::get_if<int64_t>(&value.value);
  const auto* real = std::get_if<double>(&value.value);
  const std::string* bytes = value.bytes();
  switch (type.id) {
    case TypeId::kBoolean:
      if (const auto* flag = std::get_if<bool>(&value.value)) return *flag;
      return std::nullopt;
    case TypeId::kInt:
    case TypeId::kDate: return number ? std::optional<Literal>(static_cast<int32_t>(*number)) : std::nullopt;
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return number ? std::optional<Literal>(*number) : std::nullopt;
    case TypeId::kFloat: return real ? std::optional<Literal>(static_cast<float>(*real)) : std::nullopt;
    case TypeId::kDouble: return real ? std::optional<Literal>(*real) : std::nullopt;
    case TypeId::kDecimal: return bytes && bytes->size() <= 16 ? std::optional<Literal>(from_big_endian(*bytes)) : std::nullopt;
    default: return bytes ? std::optional<Literal>(*bytes) : std::nullopt;
  }
}

/// A spec's field that an older manifest lacks is null.
Result<std::vector<Literal>> partition_of(Record& file, const PartitionSpec& spec, const std::vector<TypePtr>& types) {
  std::vector<Literal> values(spec.fields.size());
  const AvroType* type = file.record_type(102);
  const AvroValue* value = file.find(102);
  if (!type || !value) return values;
  Record partition(*type, *value);
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const AvroValue* field = partition.find(spec.fields[i].field_id);
    if (!field) continue;
    auto literal = partition_literal(*types[i], *field);
    if (!literal) return broken(fmt::format("partition field {} is of the wrong type", spec.fields[i].name));
    values[i] = *std::move(literal);
  }
  return values;
}

Result<DataFile> data_file(const AvroType& type, const AvroValue& value, const PartitionSpec& spec, const std::vector<TypePtr>& types) {
  Record record(type, value);
  DataFile file;
  const int64_t content = record.integer(134, 0);  // absent in version 1
  if (content < 0 || content > 2) return broken(fmt::format("unknown content {}", content));
  file.content = static_cast<FileContent>(content);
  file.file_path = record.bytes(100);
  file.file_format = record.bytes(101);
  TRY_ASSIGN(file.partition, partition_of(record, spec, types));
  file.record_count = record.integer(103);
  file.file_size_bytes = record.integer(104);
  file.column_sizes = int_map<int64_t>(record, 108);
  file.value_counts = int_map<int64_t>(record, 109);
  file.null_value_counts = int_map<int64_t>(record, 110);
  file.nan_value_counts = int_map<int64_t>(record, 137);
  file.lower_bounds = int_map<std::string>(record, 125);
  file.upper_bounds = int_map<std::string>(record, 128);
  file.key_metadata = record.maybe_bytes(131);
  file.split_offsets = integers(record, 132);
  for (const int64_t id : integers(record, 135)) file.equality_ids.push_back(static_cast<int>(id));
  if (const auto order = record.maybe_integer(140)) file.sort_order_id = static_cast<int>(*order);
  file.referenced_data_file = record.maybe_bytes(143);
  TRY(record.check());
  return file;
}

Result<ManifestEntry> manifest_entry(const AvroType& type, const AvroValue& value, const ManifestFile& manifest, const PartitionSpec& spec,
                                     const std::vector<TypePtr>& types) {
  Record record(type, value);
  ManifestEntry entry;
  const int64_t status = record.integer(0);
  if (status < 0 || status > 2) return broken(fmt::format("unknown entry status {}", status));
  entry.status = static_cast<EntryStatus>(status);
  entry.snapshot_id = record.maybe_integer(1);
  entry.sequence_number = record.maybe_integer(3);
  entry.file_sequence_number = record.maybe_integer(4);
  TRY(record.check());
  // Inheritance (spec): what is null comes from the manifest list; only added entries may have null sequence numbers.
  if (!entry.snapshot_id) entry.snapshot_id = manifest.added_snapshot_id;
  const bool inherits = entry.status == EntryStatus::kAdded || manifest.sequence_number == 0;
  if (!entry.sequence_number && inherits) entry.sequence_number = manifest.sequence_number;
  if (!entry.file_sequence_number && inherits) entry.file_sequence_number = manifest.sequence_number;

  const AvroType* file_type = record.record_type(2);
  const AvroValue* file = record.find(2);
  if (!file_type || !file) return broken("an entry has no data file");
  TRY_ASSIGN(entry.file, data_file(*file_type, *file, spec, types));
  return entry;
}

PartitionSummary partition_summary(const AvroType& type, const AvroValue& value, Record& owner) {
  Record record(type, value);
  PartitionSummary summary;
  summary.contains_null = record.flag(509);
  if (record.find(518)) summary.contains_nan = record.flag(518);
  summary.lower_bound = record.maybe_bytes(510);
  summary.upper_bound = record.maybe_bytes(511);
  if (!record.check()) owner.note(507);
  return summary;
}

/// The element's record type of the list `partitions`.
const AvroType* summary_type(const AvroType& manifest_file) {
  for (const AvroField& field : manifest_file.fields) {
    if (field.id != 507) continue;
    for (const AvroTypePtr& type : {field.type, field.type->fields.empty() ? field.type : field.type->fields.back().type}) {
      if (type->kind == AvroType::kArray) return record_in(type->fields.at(0).type);
    }
  }
  return nullptr;
}

Result<ManifestFile> manifest_file(const AvroType& type, const AvroValue& value) {
  Record record(type, value);
  ManifestFile manifest;
  manifest.path = record.bytes(500);
  manifest.length = record.integer(501);
  manifest.spec_id = static_cast<int>(record.integer(502));
  manifest.content = static_cast<int>(record.integer(517, 0));
  manifest.sequence_number = record.integer(515, 0);
  manifest.min_sequence_number = record.integer(516, 0);
  manifest.added_snapshot_id = record.integer(503);
  manifest.added_files = record.integer(504, -1), manifest.existing_files = record.integer(505, -1);
  manifest.deleted_files = record.integer(506, -1);
  manifest.added_rows = record.integer(512, -1), manifest.existing_rows = record.integer(513, -1);
  manifest.deleted_rows = record.integer(514, -1);
  manifest.key_metadata = record.maybe_bytes(519);
  const AvroType* summaries = summary_type(type);
  if (const auto* items = record.items(507); items && summaries) {
    for (const AvroValue& item : *items) manifest.partitions.push_back(partition_summary(*summaries, item, record));
  }
  TRY(record.check());
  return manifest;
}

void put_summary(AvroEncoder& out, const PartitionSummary& summary) {
  const auto put_bound = [&](const std::optional<std::string>& bound) {
    out.put_branch(bound ? 1 : 0);
    if (bound) out.put_bytes(*bound);
  };
  out.put_boolean(summary.contains_null);
  out.put_branch(summary.contains_nan ? 1 : 0);
  if (summary.contains_nan) out.put_boolean(*summary.contains_nan);
  put_bound(summary.lower_bound);
  put_bound(summary.upper_bound);
}

void put_manifest(AvroEncoder& out, const ManifestFile& manifest, int64_t snapshot_sequence_number) {
  const auto assigned = [&](int64_t number) { return number == kSequenceNumberNotAssigned ? snapshot_sequence_number : number; };
  out.put_bytes(manifest.path);
  out.put_long(manifest.length);
  out.put_int(manifest.spec_id);
  out.put_int(manifest.content);
  out.put_long(assigned(manifest.sequence_number));
  out.put_long(assigned(manifest.min_sequence_number));
  out.put_long(manifest.added_snapshot_id);
  for (const int64_t files : {manifest.added_files, manifest.existing_files, manifest.deleted_files})
    out.put_int(static_cast<int32_t>(files));
  for (const int64_t rows : {manifest.added_rows, manifest.existing_rows, manifest.deleted_rows}) out.put_long(rows);
  out.put_branch(1);
  if (!manifest.partitions.empty()) {
    out.put_long(static_cast<int64_t>(manifest.partitions.size()));
    for (const PartitionSummary& summary : manifest.partitions) put_summary(out, summary);
  }
  out.put_long(0);
  out.put_branch(manifest.key_metadata ? 1 : 0);
  if (manifest.key_metadata) out.put_bytes(*manifest.key_metadata);
}

}  // namespace

Result<void> read_manifest(std::string_view bytes, const ManifestFile& manifest, const std::vector<TypePtr>& types,
                           const PartitionSpec& spec, const EntryVisitor& visit) {
  auto reader = AvroReader::open(bytes);
  if (!reader) return std::unexpected(reader.error().within(manifest.path));
  if (reader->schema().kind != AvroType::kRecord) return broken(manifest.path + " holds no records");
  AvroValue value;
  for (;;) {
    auto more = reader->next(value);
    if (!more) return std::unexpected(more.error().within(manifest.path));
    if (!*more) return {};
    auto entry = manifest_entry(reader->schema(), value, manifest, spec, types);
    if (!entry) return std::unexpected(entry.error().within(manifest.path));
    TRY(visit(*std::move(entry)));
  }
}

Result<std::string> write_manifest_list(const std::vector<ManifestFile>& manifests, int64_t snapshot_id,
                                        std::optional<int64_t> parent_snapshot_id, int64_t sequence_number) {
  AvroWriter file(manifest_file_schema(), {{"snapshot-id", std::to_string(snapshot_id)},
                                           {"parent-snapshot-id", parent_snapshot_id ? std::to_string(*parent_snapshot_id) : "null"},
                                           {"sequence-number", std::to_string(sequence_number)},
                                           {"format-version", "2"}});
  AvroEncoder record;
  for (const ManifestFile& manifest : manifests) {
    if (std::min({manifest.added_files, manifest.existing_files, manifest.deleted_files, manifest.added_rows, manifest.existing_rows,
                  manifest.deleted_rows}) < 0) {
      return invalid_input(
          fmt::format("{}: the table's manifest list does not count this manifest's files (format version 1); run "
                      "rewrite_manifests in Spark, then load again",
                      manifest.path));
    }
    record.clear();
    put_manifest(record, manifest, sequence_number);
    file.append(record.bytes());
  }
  return file.finish();
}

Result<std::vector<ManifestFile>> read_manifest_list(std::string_view bytes) {
  TRY_ASSIGN(AvroReader reader, AvroReader::open(bytes));
  if (reader.schema().kind != AvroType::kRecord) return broken("the manifest list holds no records");
  std::vector<ManifestFile> manifests;
  AvroValue value;
  for (;;) {
    TRY_ASSIGN(const bool more, reader.next(value));
    if (!more) return manifests;
    TRY_ASSIGN(ManifestFile manifest, manifest_file(reader.schema(), value));
    manifests.push_back(std::move(manifest));
  }
}

}  // namespace sluice
