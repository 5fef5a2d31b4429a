#include "iceberg/table_change.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "iceberg/metadata_json.h"
#include "iceberg/writer_properties.h"
#include "schema/schema_json.h"

namespace sluice {

using nlohmann::json;

namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

int64_t to_ms(Timestamp time) { return time.micros / 1000; }

std::string id_text(std::optional<int64_t> id) { return id ? std::to_string(*id) : "none"; }

std::unexpected<Error> refused(std::string message) { return fail(ErrorCode::kConflict, "the table moved on: " + std::move(message)); }

Result<void> expect_equal(std::string_view what, int64_t expected, int64_t actual) {
  if (expected == actual) return {};
  return refused(fmt::format("{} is {}, not {}", what, actual, expected));
}

Result<void> check_requirement(const TableMetadata& base, const TableRequirement& requirement) {
  return std::visit(
      Overloaded{
          [](const AssertCreate&) -> Result<void> { return refused("it exists already"); },
          [&](const AssertTableUuid& want) -> Result<void> {
            if (base.table_uuid == want.uuid) return {};
            return refused(fmt::format("its uuid is {}, not {}", base.table_uuid, want.uuid));
          },
          [&](const AssertRefSnapshotId& want) -> Result<void> {
            const auto at = base.refs.find(want.ref);
            const auto actual = at == base.refs.end() ? std::nullopt : std::optional(at->second.snapshot_id);
            if (actual == want.snapshot_id) return {};
            return refused(fmt::format("{} stands at snapshot {}, not {}", want.ref, id_text(actual), id_text(want.snapshot_id)));
          },
          [&](const AssertCurrentSchemaId& want) { return expect_equal("the current schema", want.schema_id, base.current_schema_id); },
          [&](const AssertLastAssignedFieldId& want) { return expect_equal("the last field id", want.field_id, base.last_column_id); },
          [&](const AssertDefaultSpecId& want) { return expect_equal("the default spec", want.spec_id, base.default_spec_id); },
          [&](const AssertLastAssignedPartitionId& want) {
            return expect_equal("the last partition id", want.partition_id, base.last_partition_id);
          },
          [&](const AssertDefaultSortOrderId& want) {
            return expect_equal("the default sort order", want.order_id, base.default_sort_order_id);
          },
      },
      requirement);
}

// Carries out updates in order, remembering what the next ones may refer to as "last added".
class Changer {
 public:
  Changer(TableMetadata& table, Timestamp now) : table_(table), now_ms_(std::max(to_ms(now), table.last_updated_ms)) {}

  Result<void> run(const TableUpdate& update) {
    return std::visit([this](const auto& u) { return one(u); }, update);
  }
  void finish() { table_.last_updated_ms = now_ms_; }

 private:
  Result<void> one(const AddSchema& update) {
    Schema schema = update.schema;
    table_.last_column_id = std::max(table_.last_column_id, schema.highest_field_id());
    const json wanted = to_json(schema);
    int next_id = 0;
    for (const Schema& known : table_.schemas) {
      json other = to_json(known);
      other["schema-id"] = wanted.at("schema-id");
      if (other == wanted) {
        last_schema_id_ = known.schema_id;
        return {};
      }
      next_id = std::max(next_id, known.schema_id + 1);
    }
    schema.schema_id = next_id;
    last_schema_id_ = next_id;
    table_.schemas.push_back(std::move(schema));
    return {};
  }

  Result<void> one(const SetCurrentSchema& update) {
    TRY_ASSIGN(const int id, or_last_added(update.schema_id, last_schema_id_, "schema"));
    if (table_.find_schema(id) == nullptr) return invalid_input(fmt::format("the table has no schema {}", id));
    table_.current_schema_id = id;
    return {};
  }

  Result<void> one(const AddSpec& update) {
    PartitionSpec spec = update.spec;
    for (PartitionField& field : spec.fields) {
      if (field.field_id == 0) field.field_id = partition_field_id(field);
      table_.last_partition_id = std::max(table_.last_partition_id, field.field_id);
    }
    int next_id = 0;
    for (const PartitionSpec& known : table_.specs) {
      if (known.fields == spec.fields) {
        last_spec_id_ = known.spec_id;
        return {};
      }
      next_id = std::max(next_id, known.spec_id + 1);
    }
    spec.spec_id = next_id;
    last_spec_id_ = next_id;
    table_.specs.push_back(std::move(spec));
    return {};
  }

  // The same column under the same transform keeps its id through all specs, so that readers can match partitions of old manifests.
  int partition_field_id(const PartitionField& wanted) {
    for (const PartitionSpec& spec : table_.specs) {
      for (const PartitionField& field : spec.fields) {
        if (field.source_id == wanted.source_id && field.transform == wanted.transform && field.name == wanted.name) return field.field_id;
      }
    }
    return ++table_.last_partition_id;
  }

  Result<void> one(const SetDefaultSpec& update) {
    TRY_ASSIGN(const int id, or_last_added(update.spec_id, last_spec_id_, "partition spec"));
    if (table_.find_spec(id) == nullptr) return invalid_input(fmt::format("the table has no partition spec {}", id));
    table_.default_spec_id = id;
    return {};
  }

  Result<void> one(const AddSnapshot& update) {
    const Snapshot& snapshot = update.snapshot;
    if (table_.find_snapshot(snapshot.snapshot_id) != nullptr) {
      return invalid_input(fmt::format("snapshot {} is in the table already", snapshot.snapshot_id));
    }
    if (snapshot.sequence_number <= table_.last_sequence_number) {
      return invalid_input(fmt::format("snapshot {}: its sequence number {} is not above the table's last, {}", snapshot.snapshot_id,
                                       snapshot.sequence_number, table_.last_sequence_number));
    }
    table_.last_sequence_number = snapshot.sequence_number;
    now_ms_ = std::max(now_ms_, snapshot.timestamp_ms);
    table_.snapshots.push_back(snapshot);
    added_.insert(snapshot.snapshot_id);
    return {};
  }

  Result<void> one(const SetSnapshotRef& update) {
    const Snapshot* snapshot = table_.find_snapshot(update.ref.snapshot_id);
    if (snapshot == nullptr) {
      return invalid_input(fmt::format("reference {}: the table has no snapshot {}", update.name, update.ref.snapshot_id));
    }
    const auto before = table_.refs.find(update.name);
    const bool moves = before == table_.refs.end() || before->second.snapshot_id != update.ref.snapshot_id;
    if (update.name == kMainBranch && moves) {
      const int64_t at_ms = added_.contains(snapshot->snapshot_id) ? snapshot->timestamp_ms : now_ms_;
      table_.snapshot_log.push_back({.timestamp_ms = at_ms, .snapshot_id = snapshot->snapshot_id});
    }
    SnapshotRef ref = update.ref;
    if (before != table_.refs.end()) {  // retention that an operator set outlives a commit that does not speak of it
      if (!ref.max_ref_age_ms) ref.max_ref_age_ms = before->second.max_ref_age_ms;
      if (!ref.max_snapshot_age_ms) ref.max_snapshot_age_ms = before->second.max_snapshot_age_ms;
      if (!ref.min_snapshots_to_keep) ref.min_snapshots_to_keep = before->second.min_snapshots_to_keep;
    }
    table_.refs[update.name] = ref;
    return {};
  }

  Result<void> one(const RemoveSnapshotRef& update) {
    table_.refs.erase(update.name);
    if (update.name == kMainBranch) table_.snapshot_log.clear();
    return {};
  }

  Result<void> one(const SetProperties& update) {
    for (const auto& [key, value] : update.updates) table_.properties[key] = value;
    return {};
  }

  Result<void> one(const RemoveProperties& update) {
    for (const std::string& key : update.removals) table_.properties.erase(key);
    return {};
  }

  Result<void> one(const SetLocation& update) {
    table_.location = update.location;
    return {};
  }

  Result<void> one(const AssignUuid& update) {
    table_.table_uuid = update.uuid;
    return {};
  }

  static Result<int> or_last_added(int id, std::optional<int> last_added, std::string_view what) {
    if (id != kLastAdded) return id;
    if (!last_added) return invalid_input(fmt::format("the change adds no {} to make current", what));
    return *last_added;
  }

  TableMetadata& table_;
  int64_t now_ms_;
  std::optional<int> last_schema_id_, last_spec_id_;
  std::set<int64_t> added_;
};

json requirement_to_json(const TableRequirement& requirement) {
  return std::visit(
      Overloaded{
          [](const AssertCreate&) -> json { return {{"type", "assert-create"}}; },
          [](const AssertTableUuid& r) -> json { return {{"type", "assert-table-uuid"}, {"uuid", r.uuid}}; },
          [](const AssertRefSnapshotId& r) -> json {
            // Null must be there for an empty table: without the key a concurrent first commit is overwritten.
            return {{"type", "assert-ref-snapshot-id"}, {"ref", r.ref}, {"snapshot-id", r.snapshot_id ? json(*r.snapshot_id) : json()}};
          },
          [](const AssertCurrentSchemaId& r) -> json { return {{"type", "assert-current-schema-id"}, {"current-schema-id", r.schema_id}}; },
          [](const AssertLastAssignedFieldId& r) -> json {
            return {{"type", "assert-last-assigned-field-id"}, {"last-assigned-field-id", r.field_id}};
          },
          [](const AssertDefaultSpecId& r) -> json { return {{"type", "assert-default-spec-id"}, {"default-spec-id", r.spec_id}}; },
          [](const AssertLastAssignedPartitionId& r) -> json {
            return {{"type", "assert-last-assigned-partition-id"}, {"last-assigned-partition-id", r.partition_id}};
          },
          [](const AssertDefaultSortOrderId& r) -> json {
            return {{"type", "assert-default-sort-order-id"}, {"default-sort-order-id", r.order_id}};
          },
      },
      requirement);
}

json update_to_json(const TableUpdate& update) {
  return std::visit(Overloaded{
                        [](const AddSchema& u) -> json {
                          return {{"action", "add-schema"}, {"schema", to_json(u.schema)}, {"last-column-id", u.schema.highest_field_id()}};
                        },
                        [](const SetCurrentSchema& u) -> json { return {{"action", "set-current-schema"}, {"schema-id", u.schema_id}}; },
                        [](const AddSpec& u) -> json { return {{"action", "add-spec"}, {"spec", to_json(u.spec)}}; },
                        [](const SetDefaultSpec& u) -> json { return {{"action", "set-default-spec"}, {"spec-id", u.spec_id}}; },
                        [](const AddSnapshot& u) -> json { return {{"action", "add-snapshot"}, {"snapshot", to_json(u.snapshot)}}; },
                        [](const SetSnapshotRef& u) -> json {
                          json out = to_json(u.ref);
                          out["action"] = "set-snapshot-ref";
                          out["ref-name"] = u.name;
                          return out;
                        },
                        [](const RemoveSnapshotRef& u) -> json { return {{"action", "remove-snapshot-ref"}, {"ref-name", u.name}}; },
                        [](const SetProperties& u) -> json { return {{"action", "set-properties"}, {"updates", u.updates}}; },
                        [](const RemoveProperties& u) -> json { return {{"action", "remove-properties"}, {"removals", u.removals}}; },
                        [](const SetLocation& u) -> json { return {{"action", "set-location"}, {"location", u.location}}; },
                        [](const AssignUuid& u) -> json { return {{"action", "assign-uuid"}, {"uuid", u.uuid}}; },
                    },
                    update);
}

}  // namespace

json to_json(const TableChange& change) {
  json requirements = json::array(), updates = json::array();
  for (const auto& requirement : change.requirements) requirements.push_back(requirement_to_json(requirement));
  for (const auto& update : change.updates) updates.push_back(update_to_json(update));
  return {{"requirements", std::move(requirements)}, {"updates", std::move(updates)}};
}

Result<void> check_requirements(const TableMetadata& base, const TableChange& change) {
  for (const TableRequirement& requirement : change.requirements) TRY(check_requirement(base, requirement));
  return {};
}

Result<TableMetadata> apply(const TableMetadata& base, const TableChange& change, Timestamp now) {
  TRY(check_writable(base));
  TRY(check_requirements(base, change));
  TableMetadata table = base;
  Changer changer(table, now);
  for (const TableUpdate& update : change.updates) TRY(changer.run(update));
  changer.finish();
  return table;
}

std::vector<std::string> log_previous_metadata(TableMetadata& changed, const TableMetadata& base, const std::string& base_file) {
  const auto properties = WriterProperties::from(changed.properties);
  const size_t entries_max = static_cast<size_t>(std::max<int64_t>(1, properties.previous_metadata_files_max));
  auto& log = changed.metadata_log;
  log.push_back({.timestamp_ms = base.last_updated_ms, .metadata_file = base_file});
  std::vector<std::string> fallen_out;
  if (log.size() > entries_max) {
    const auto first_kept = log.end() - static_cast<ptrdiff_t>(entries_max);
    for (auto at = log.begin(); at != first_kept; ++at) fallen_out.push_back(at->metadata_file);
    log.erase(log.begin(), first_kept);
  }
  if (!properties.deletes_old_metadata) fallen_out.clear();
  return fallen_out;
}

TableMetadata new_table_metadata(std::string uuid, std::string location, Schema schema, PartitionSpec spec,
                                 std::map<std::string, std::string> properties, Timestamp now) {
  TableMetadata table;
  table.table_uuid = std::move(uuid);
  table.location = std::move(location);
  table.last_updated_ms = to_ms(now);
  table.last_column_id = schema.highest_field_id();
  table.current_schema_id = schema.schema_id;
  table.schemas.push_back(std::move(schema));
  table.default_spec_id = spec.spec_id;
  for (const PartitionField& field : spec.fields) table.last_partition_id = std::max(table.last_partition_id, field.field_id);
  table.specs.push_back(std::move(spec));
  table.sort_orders.push_back(SortOrder{});
  table.properties = std::move(properties);
  return table;
}

}  // namespace sluice
