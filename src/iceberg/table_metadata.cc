#include "iceberg/table_metadata.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "iceberg/json_fields.h"
#include "iceberg/metadata_json.h"
#include "iceberg/writer_properties.h"
#include "schema/schema_json.h"

namespace sluice {

using nlohmann::json;

namespace {

std::string without_trailing_slash(std::string location) {
  while (location.size() > 1 && location.ends_with('/')) location.pop_back();
  return location;
}

Result<void> read_schemas(JsonFields& in, TableMetadata& table) {
  const json& list = in.array("schemas");
  const json* single = in.find("schema");  // version 1
  auto add = [&](const json& schema_json) -> Result<void> {
    TRY_ASSIGN(Schema schema, schema_from_json(schema_json));
    table.schema_json[schema.schema_id] = schema_json.dump();
    table.schemas.push_back(std::move(schema));
    return {};
  };
  for (const json& schema : list) TRY(add(schema));
  if (table.schemas.empty() && single != nullptr) TRY(add(*single));
  if (table.schemas.empty()) in.fail("it holds no schema");
  table.current_schema_id = in.number("current-schema-id", table.schemas.empty() ? 0 : table.schemas.back().schema_id);
  return {};
}

Result<void> read_specs(JsonFields& in, TableMetadata& table) {
  const json& list = in.array("partition-specs");
  const json* single = in.find("partition-spec");  // version 1
  for (const json& spec_json : list) {
    TRY_ASSIGN(PartitionSpec spec, partition_spec_from_json(spec_json));
    table.specs.push_back(std::move(spec));
  }
  if (table.specs.empty() && single != nullptr) {
    TRY_ASSIGN(PartitionSpec spec, partition_spec_from_fields(0, *single));
    table.specs.push_back(std::move(spec));
  }
  if (table.specs.empty()) in.fail("it holds no partition spec");
  table.default_spec_id = in.number("default-spec-id", 0);
  int last = kLastPartitionIdOfNone;
  for (const PartitionSpec& spec : table.specs) {
    for (const PartitionField& field : spec.fields) last = std::max(last, field.field_id);
  }
  table.last_partition_id = in.number("last-partition-id", last);
  return {};
}

Result<void> read_sort_orders(JsonFields& in, TableMetadata& table) {
  for (const json& order_json : in.array("sort-orders")) {
    TRY_ASSIGN(SortOrder order, sort_order_from_json(order_json));
    table.sort_orders.push_back(std::move(order));
  }
  if (table.sort_orders.empty()) table.sort_orders.push_back(SortOrder{});
  table.default_sort_order_id = in.number("default-sort-order-id", 0);
  return {};
}

Result<void> read_snapshots(JsonFields& in, TableMetadata& table) {
  for (const json& snapshot_json : in.array("snapshots")) {
    TRY_ASSIGN(Snapshot snapshot, snapshot_from_json(snapshot_json));
    table.snapshots.push_back(std::move(snapshot));
  }
  if (const json* refs = in.find("refs"); refs != nullptr && refs->is_object()) {
    for (const auto& [name, ref_json] : refs->items()) {
      TRY_ASSIGN(table.refs[name], snapshot_ref_from_json(ref_json));
    }
  }
  // Writers before references knew only this key. Some write -1, some null, some nothing for an empty table.
  const int64_t current = in.integer("current-snapshot-id", -1);
  if (current >= 0 && !table.refs.contains(std::string(kMainBranch))) table.refs[std::string(kMainBranch)] = {.snapshot_id = current};
  for (const auto& [name, ref] : table.refs) {
    if (table.find_snapshot(ref.snapshot_id) == nullptr) in.fail(fmt::format("reference {} names an unknown snapshot", name));
  }
  return {};
}

Result<void> read_logs(JsonFields& in, TableMetadata& table) {
  for (const json& entry : in.array("snapshot-log")) {
    JsonFields fields(entry, "snapshot-log");
    table.snapshot_log.push_back({.timestamp_ms = fields.integer("timestamp-ms"), .snapshot_id = fields.integer("snapshot-id")});
    TRY(fields.finish());
  }
  for (const json& entry : in.array("metadata-log")) {
    JsonFields fields(entry, "metadata-log");
    table.metadata_log.push_back({.timestamp_ms = fields.integer("timestamp-ms"), .metadata_file = fields.text("metadata-file")});
    TRY(fields.finish());
  }
  return {};
}

Result<void> check_current_parts(const TableMetadata& table) {
  auto missing = [](std::string_view what, int id) {
    return fail(ErrorCode::kCorruption, fmt::format("table metadata: it names {} {} but does not hold it", what, id));
  };
  if (table.find_schema(table.current_schema_id) == nullptr) return missing("current schema", table.current_schema_id);
  if (table.find_spec(table.default_spec_id) == nullptr) return missing("default partition spec", table.default_spec_id);
  return {};
}

json schemas_to_json(const TableMetadata& table) {
  json list = json::array();
  for (const Schema& schema : table.schemas) {
    const auto as_read = table.schema_json.find(schema.schema_id);
    list.push_back(as_read == table.schema_json.end() ? to_json(schema) : json::parse(as_read->second, nullptr, false));
  }
  return list;
}

template <class T>
json list_to_json(const std::vector<T>& values) {
  json list = json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

void write_history(const TableMetadata& table, json& out) {
  const Snapshot* current = table.current_snapshot();
  // -1, not null or nothing: older readers need the number.
  out["current-snapshot-id"] = current == nullptr ? -1 : current->snapshot_id;
  out["snapshots"] = list_to_json(table.snapshots);
  json& refs = out["refs"] = json::object();
  for (const auto& [name, ref] : table.refs) refs[name] = to_json(ref);
  json& snapshot_log = out["snapshot-log"] = json::array();
  for (const auto& entry : table.snapshot_log) {
    snapshot_log.push_back({{"timestamp-ms", entry.timestamp_ms}, {"snapshot-id", entry.snapshot_id}});
  }
  json& metadata_log = out["metadata-log"] = json::array();
  for (const auto& entry : table.metadata_log) {
    metadata_log.push_back({{"timestamp-ms", entry.timestamp_ms}, {"metadata-file", entry.metadata_file}});
  }
}

/// That the oldest snapshot names no parent proves little: PyIceberg takes the name away when it expires the parent. Totals that are more
/// than what was added, or that are not told, stand on what was there before.
Ancestry::Start start_of(const Snapshot& snapshot) {
  if (snapshot.parent_snapshot_id) return Ancestry::Start::kExpired;
  constexpr int64_t kFirstOfTable = 1;
  if (snapshot.sequence_number == kFirstOfTable) return Ancestry::Start::kFirst;
  const auto value = [&](const std::string& key, std::string_view otherwise) {
    const auto at = snapshot.summary.find(key);
    return at == snapshot.summary.end() ? otherwise : std::string_view(at->second);
  };
  const bool removed_nothing = value("deleted-data-files", "0") == "0" && value("deleted-records", "0") == "0";
  const bool began_empty = removed_nothing && value("total-records", "?") == value("added-records", "0") &&
                           value("total-data-files", "?") == value("added-data-files", "0");
  return began_empty ? Ancestry::Start::kPerhapsFirst : Ancestry::Start::kExpired;
}

}  // namespace

const Snapshot* TableMetadata::find_snapshot(int64_t snapshot_id) const {
  // The wanted one is nearly always among the newest.
  const auto at = std::find_if(snapshots.rbegin(), snapshots.rend(), [&](const Snapshot& s) { return s.snapshot_id == snapshot_id; });
  return at == snapshots.rend() ? nullptr : &*at;
}

const Snapshot* TableMetadata::current_snapshot() const {
  const auto main = refs.find(std::string(kMainBranch));
  return main == refs.end() ? nullptr : find_snapshot(main->second.snapshot_id);
}

const Schema* TableMetadata::find_schema(int schema_id) const {
  const auto at = std::ranges::find(schemas, schema_id, &Schema::schema_id);
  return at == schemas.end() ? nullptr : &*at;
}
const Schema& TableMetadata::current_schema() const { return *find_schema(current_schema_id); }

const PartitionSpec* TableMetadata::find_spec(int spec_id) const {
  const auto at = std::ranges::find(specs, spec_id, &PartitionSpec::spec_id);
  return at == specs.end() ? nullptr : &*at;
}
const PartitionSpec& TableMetadata::default_spec() const { return *find_spec(default_spec_id); }

std::string TableMetadata::property(const std::string& key, std::string_view otherwise) const {
  const auto at = properties.find(key);
  return at == properties.end() ? std::string(otherwise) : at->second;
}

Result<int64_t> TableMetadata::integer_property(const std::string& key, int64_t otherwise) const {
  const auto at = properties.find(key);
  if (at == properties.end()) return otherwise;
  const std::string& text = at->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return invalid_input(fmt::format("table property {}: \"{}\" is not a whole number; correct it in the table", key, text));
}

Ancestry ancestors_of_main(const TableMetadata& metadata) {
  std::map<int64_t, const Snapshot*> by_id;
  for (const Snapshot& snapshot : metadata.snapshots) by_id[snapshot.snapshot_id] = &snapshot;
  Ancestry ancestry;
  const Snapshot* at = metadata.current_snapshot();
  // Damaged metadata may name a snapshot as its own ancestor: no chain is longer than the list.
  while (at != nullptr && ancestry.snapshots.size() < metadata.snapshots.size()) {
    ancestry.snapshots.push_back(at);
    if (!at->parent_snapshot_id) break;
    const auto parent = by_id.find(*at->parent_snapshot_id);
    at = parent == by_id.end() ? nullptr : parent->second;
  }
  if (!ancestry.snapshots.empty()) ancestry.start = start_of(*ancestry.snapshots.back());
  return ancestry;
}

Result<TableMetadata> read_table_metadata(std::string_view text) {
  TRY_ASSIGN(const json document, parse_json(text, "table metadata"));
  return table_metadata_from_json(document);
}

Result<TableMetadata> table_metadata_from_json(const json& document) {
  JsonFields in(document, "table metadata");
  TableMetadata table;
  table.format_version = in.number("format-version");
  TRY(in.finish());
  if (table.format_version < 1 || table.format_version > 3) {
    return invalid_input(fmt::format("table metadata: format version {} is not supported yet", table.format_version));
  }
  table.table_uuid = table.format_version == 1 ? in.text("table-uuid", "") : in.text("table-uuid");
  table.location = without_trailing_slash(in.text("location"));
  table.last_sequence_number = table.format_version == 1 ? in.integer("last-sequence-number", 0) : in.integer("last-sequence-number");
  table.last_updated_ms = in.integer("last-updated-ms");
  table.last_column_id = in.number("last-column-id");
  table.properties = in.text_map("properties");
  TRY(read_schemas(in, table));
  TRY(read_specs(in, table));
  TRY(read_sort_orders(in, table));
  TRY(read_snapshots(in, table));
  TRY(read_logs(in, table));
  TRY(in.finish());
  TRY(check_current_parts(table));
  table.other_json = in.rest();
  return table;
}

Result<void> check_writable(const TableMetadata& metadata) {
  if (metadata.format_version == kFormatVersionWritten) return {};
  if (metadata.format_version < kFormatVersionWritten) {
    return invalid_input(
        fmt::format("the table at {} has format version 1, which cannot be written; upgrade it first "
                    "(table property format-version=2, in Spark: ALTER TABLE ... SET TBLPROPERTIES)",
                    metadata.location));
  }
  return invalid_input(fmt::format("the table at {}: format version {} is not supported yet; load into a table of format version 2",
                                   metadata.location, metadata.format_version));
}

Result<std::string> write_table_metadata(const TableMetadata& table) {
  TRY(check_writable(table));
  json out = table.other_json.empty() ? json::object() : json::parse(table.other_json, nullptr, false);
  out["format-version"] = table.format_version;
  out["table-uuid"] = table.table_uuid;
  out["location"] = table.location;
  out["last-sequence-number"] = table.last_sequence_number;
  out["last-updated-ms"] = table.last_updated_ms;
  out["last-column-id"] = table.last_column_id;
  out["schemas"] = schemas_to_json(table);
  out["current-schema-id"] = table.current_schema_id;
  out["partition-specs"] = list_to_json(table.specs);
  out["default-spec-id"] = table.default_spec_id;
  out["last-partition-id"] = table.last_partition_id;
  out["sort-orders"] = list_to_json(table.sort_orders);
  out["default-sort-order-id"] = table.default_sort_order_id;
  out["properties"] = table.properties;
  write_history(table, out);
  for (const char* key : {"statistics", "partition-statistics"}) {
    if (!out.contains(key)) out[key] = json::array();
  }
  return print_json(out, "table metadata");
}

std::string data_location(const TableMetadata& metadata) {
  // Older Java versions knew other names for it; the newest wins, as there.
  const bool hashed = WriterProperties::from(metadata.properties).object_storage;
  for (const char* key : {"write.data.path", "write.object-storage.path", "write.folder-storage.path"}) {
    if (key == std::string_view("write.object-storage.path") && !hashed) continue;
    if (const auto at = metadata.properties.find(key); at != metadata.properties.end()) return without_trailing_slash(at->second);
  }
  return metadata.location + "/data";
}

std::string metadata_location_dir(const TableMetadata& metadata) {
  const auto at = metadata.properties.find("write.metadata.path");
  return at == metadata.properties.end() ? metadata.location + "/metadata" : without_trailing_slash(at->second);
}

}  // namespace sluice
