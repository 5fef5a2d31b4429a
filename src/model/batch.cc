#include "model/batch.h"

#include "model/enum_names.h"
#include "model/versioned_json.h"

namespace sluice {
namespace {

constexpr int kPinVersion = 1;
constexpr int kPreparedVersion = 1;

nlohmann::json json_of(const TargetPin& pin) {
  nlohmann::json json = {{"v", kPinVersion},
                         {"catalog_uri", pin.catalog_uri},
                         {"warehouse", pin.warehouse},
                         {"table", pin.table},
                         {"table_uuid", pin.table_uuid},
                         {"table_location", pin.table_location},
                         {"data_location", pin.data_location},
                         {"hashed_paths", pin.hashed_paths},
                         {"metadata_location", pin.metadata_location},
                         {"base_sequence_number", pin.base_sequence_number},
                         {"schema_id", pin.schema_id},
                         {"spec_id", pin.spec_id}};
  put_optional(json, "base_snapshot_id", pin.base_snapshot_id);
  return json;
}

TargetPin pin_of(const nlohmann::json& json) {
  TargetPin pin;
  json.at("catalog_uri").get_to(pin.catalog_uri);
  json.at("warehouse").get_to(pin.warehouse);
  json.at("table").get_to(pin.table);
  json.at("table_uuid").get_to(pin.table_uuid);
  json.at("table_location").get_to(pin.table_location);
  json.at("data_location").get_to(pin.data_location);
  pin.hashed_paths = json.value("hashed_paths", false);  // pins of older programs do not say
  json.at("metadata_location").get_to(pin.metadata_location);
  json.at("base_sequence_number").get_to(pin.base_sequence_number);
  json.at("schema_id").get_to(pin.schema_id);
  json.at("spec_id").get_to(pin.spec_id);
  pin.base_snapshot_id = get_optional<int64_t>(json, "base_snapshot_id");
  return pin;
}

PreparedBatch prepared_of(const nlohmann::json& json) {
  PreparedBatch batch;
  json.at("batch").get_to(batch.batch.text);
  json.at("ingestion").get_to(batch.ingestion.text);
  json.at("run").get_to(batch.run.text);
  json.at("seq").get_to(batch.seq);
  json.at("snapshot_id").get_to(batch.snapshot_id);
  json.at("tracked").get_to(batch.tracked);
  batch.target = pin_of(json.at("target"));
  for (const auto& object : json.at("objects")) {
    batch.objects.push_back({.path = object.at("path").get<std::string>(),
                             .size_bytes = object.at("size_bytes").get<int64_t>(),
                             .kind = object.at("kind").get<std::string>()});
  }
  json.at("removals").get_to(batch.removals);
  json.at("rows").get_to(batch.rows);
  json.at("sink_record").get_to(batch.sink_record);
  return batch;
}

}  // namespace

std::string_view to_string(BatchState state) {
  switch (state) {
    case BatchState::kStaging: return "STAGING";
    case BatchState::kPrepared: return "PREPARED";
    case BatchState::kCommitted: return "COMMITTED";
    case BatchState::kWithdrawing: return "WITHDRAWING";
    case BatchState::kWithdrawn: return "WITHDRAWN";
  }
  return "";
}

std::optional<BatchState> parse_batch_state(std::string_view text) {
  using enum BatchState;
  return parse_enum(text, {kStaging, kPrepared, kCommitted, kWithdrawing, kWithdrawn});
}

bool can_move(BatchState from, BatchState to) {
  using enum BatchState;
  switch (from) {
    case kStaging: return to == kPrepared || to == kWithdrawn;
    case kPrepared: return to == kCommitted || to == kWithdrawing;
    // To COMMITTED: after the fence the batch was found present in the table (rule W).
    case kWithdrawing: return to == kWithdrawn || to == kCommitted;
    default: return false;
  }
}

std::string to_json(const TargetPin& pin) { return to_text(json_of(pin)); }

Result<TargetPin> parse_target_pin(std::string_view json) { return read_versioned("target of a batch", json, kPinVersion, pin_of); }

std::string to_json(const PreparedBatch& batch) {
  nlohmann::json objects = nlohmann::json::array();
  for (const StagedObject& object : batch.objects) {
    objects.push_back({{"path", object.path}, {"size_bytes", object.size_bytes}, {"kind", object.kind}});
  }
  const nlohmann::json json = {{"v", kPreparedVersion},
                               {"batch", batch.batch.text},
                               {"ingestion", batch.ingestion.text},
                               {"run", batch.run.text},
                               {"seq", batch.seq},
                               {"snapshot_id", batch.snapshot_id},
                               {"tracked", batch.tracked},
                               {"target", json_of(batch.target)},
                               {"objects", std::move(objects)},
                               {"removals", batch.removals},
                               {"rows", batch.rows},
                               {"sink_record", batch.sink_record}};
  return to_text(json);
}

Result<PreparedBatch> parse_prepared_batch(std::string_view json) {
  return read_versioned("prepared record of a batch", json, kPreparedVersion, prepared_of);
}

}  // namespace sluice
