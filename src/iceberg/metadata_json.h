// The JSON forms of the parts of table metadata (spec, Appendix C), shared by metadata.json, manifest headers and commit requests.
// Pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "iceberg/table_metadata.h"

namespace sluice {

/// {"spec-id": 0, "fields": [...]}
nlohmann::json to_json(const PartitionSpec& spec);
/// The bare array of fields: what a manifest's header holds.
nlohmann::json fields_to_json(const PartitionSpec& spec);
nlohmann::json to_json(const SortOrder& order);
nlohmann::json to_json(const Snapshot& snapshot);
nlohmann::json to_json(const SnapshotRef& ref);

Result<PartitionSpec> partition_spec_from_json(const nlohmann::json& json);
/// From the bare array; fields without an id (version 1) get 1000, 1001, ...
Result<PartitionSpec> partition_spec_from_fields(int spec_id, const nlohmann::json& fields);
Result<SortOrder> sort_order_from_json(const nlohmann::json& json);
Result<Snapshot> snapshot_from_json(const nlohmann::json& json);
Result<SnapshotRef> snapshot_ref_from_json(const nlohmann::json& json);
/// A whole metadata.json, parsed. kCorruption: not table metadata; the message names the key.
Result<TableMetadata> table_metadata_from_json(const nlohmann::json& document);

}  // namespace sluice
