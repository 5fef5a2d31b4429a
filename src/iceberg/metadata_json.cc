#include "iceberg/metadata_json.h"

#include "iceberg/json_fields.h"

namespace sluice {

using nlohmann::json;

json fields_to_json(const PartitionSpec& spec) {
  json fields = json::array();
  for (const PartitionField& field : spec.fields) {
    fields.push_back({{"source-id", field.source_id}, {"field-id", field.field_id}, {"name", field.name}, {"transform", field.transform}});
  }
  return fields;
}

json to_json(const PartitionSpec& spec) { return {{"spec-id", spec.spec_id}, {"fields", fields_to_json(spec)}}; }

json to_json(const SortOrder& order) {
  json fields = json::array();
  for (const SortField& field : order.fields) {
    fields.push_back(
        {{"source-id", field.source_id}, {"transform", field.transform}, {"direction", field.direction}, {"null-order", field.null_order}});
  }
  return {{"order-id", order.order_id}, {"fields", std::move(fields)}};
}

json to_json(const Snapshot& snapshot) {
  json out = snapshot.other_json.empty() ? json::object() : json::parse(snapshot.other_json, nullptr, false);
  out["snapshot-id"] = snapshot.snapshot_id;
  out["sequence-number"] = snapshot.sequence_number;
  out["timestamp-ms"] = snapshot.timestamp_ms;
  if (!snapshot.manifest_list.empty()) out["manifest-list"] = snapshot.manifest_list;
  if (snapshot.parent_snapshot_id) out["parent-snapshot-id"] = *snapshot.parent_snapshot_id;
  if (snapshot.schema_id) out["schema-id"] = *snapshot.schema_id;
  if (!snapshot.summary.empty()) out["summary"] = snapshot.summary;
  return out;
}

json to_json(const SnapshotRef& ref) {
  json out = {{"snapshot-id", ref.snapshot_id}, {"type", ref.type}};
  if (ref.max_ref_age_ms) out["max-ref-age-ms"] = *ref.max_ref_age_ms;
  if (ref.max_snapshot_age_ms) out["max-snapshot-age-ms"] = *ref.max_snapshot_age_ms;
  if (ref.min_snapshots_to_keep) out["min-snapshots-to-keep"] = *ref.min_snapshots_to_keep;
  return out;
}

Result<PartitionSpec> partition_spec_from_fields(int spec_id, const json& fields) {
  PartitionSpec spec{.spec_id = spec_id};
  if (!fields.is_array()) return fail(ErrorCode::kCorruption, "partition spec: its fields are not an array");
  for (const json& field : fields) {
    JsonFields in(field, "partition field");
    const int position = static_cast<int>(spec.fields.size());
    spec.fields.push_back({.source_id = in.number("source-id"),
                           .field_id = in.number("field-id", kLastPartitionIdOfNone + 1 + position),
                           .name = in.text("name"),
                           .transform = in.text("transform")});
    TRY(in.finish());
  }
  return spec;
}

Result<PartitionSpec> partition_spec_from_json(const json& in_json) {
  JsonFields in(in_json, "partition spec");
  const int spec_id = in.number("spec-id");
  const json& fields = in.array("fields");
  TRY(in.finish());
  return partition_spec_from_fields(spec_id, fields);
}

Result<SortOrder> sort_order_from_json(const json& in_json) {
  JsonFields in(in_json, "sort order");
  SortOrder order{.order_id = in.number("order-id")};
  for (const json& field : in.array("fields")) {
    JsonFields in_field(field, "sort field");
    order.fields.push_back({.source_id = in_field.number("source-id"),
                            .transform = in_field.text("transform"),
                            .direction = in_field.text("direction"),
                            .null_order = in_field.text("null-order")});
    TRY(in_field.finish());
  }
  TRY(in.finish());
  return order;
}

Result<Snapshot> snapshot_from_json(const json& in_json) {
  JsonFields in(in_json, "snapshot");
  Snapshot snapshot{.snapshot_id = in.integer("snapshot-id"),
                    .parent_snapshot_id = in.maybe_integer("parent-snapshot-id"),
                    .sequence_number = in.integer("sequence-number", 0),
                    .timestamp_ms = in.integer("timestamp-ms"),
                    .manifest_list = in.text("manifest-list", ""),
                    .schema_id = in.maybe_number("schema-id"),
                    .summary = in.text_map("summary")};
  TRY(in.finish());
  snapshot.other_json = in.rest();
  return snapshot;
}

Result<SnapshotRef> snapshot_ref_from_json(const json& in_json) {
  JsonFields in(in_json, "snapshot reference");
  SnapshotRef ref{.snapshot_id = in.integer("snapshot-id"),
                  .type = in.text("type", "branch"),
                  .max_ref_age_ms = in.maybe_integer("max-ref-age-ms"),
                  .max_snapshot_age_ms = in.maybe_integer("max-snapshot-age-ms"),
                  .min_snapshots_to_keep = in.maybe_number("min-snapshots-to-keep")};
  TRY(in.finish());
  return ref;
}

}  // namespace sluice
