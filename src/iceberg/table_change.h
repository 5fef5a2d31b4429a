// A change of a table: requirements and updates as the REST specification names them, and what they do to metadata. Values and pure
// functions; sending or storing the result is a catalog's part.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "iceberg/table_metadata.h"

namespace sluice {

// What must hold of the loaded table, or the change is refused with kConflict.
struct AssertCreate {};
struct AssertTableUuid {
  std::string uuid;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<int64_t> snapshot_id;
};  ///< nullopt: the ref must not exist
struct AssertCurrentSchemaId {
  int schema_id = 0;
};
struct AssertLastAssignedFieldId {
  int field_id = 0;
};
struct AssertDefaultSpecId {
  int spec_id = 0;
};
struct AssertLastAssignedPartitionId {
  int partition_id = 0;
};
struct AssertDefaultSortOrderId {
  int order_id = 0;
};

using TableRequirement = std::variant<AssertCreate, AssertTableUuid, AssertRefSnapshotId, AssertCurrentSchemaId, AssertLastAssignedFieldId,
                                      AssertDefaultSpecId, AssertLastAssignedPartitionId, AssertDefaultSortOrderId>;

/// In set-current-schema and set-default-spec: the one added last in this change.
inline constexpr int kLastAdded = -1;

struct AddSchema {
  Schema schema;
};  ///< field ids assigned by the caller; an equal schema's id is reused
struct SetCurrentSchema {
  int schema_id = kLastAdded;
};
struct AddSpec {
  PartitionSpec spec;
};  ///< field_id 0: assigned; an equal spec's id is reused
struct SetDefaultSpec {
  int spec_id = kLastAdded;
};
struct AddSnapshot {
  Snapshot snapshot;
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
};
struct RemoveSnapshotRef {
  std::string name;
};
struct SetProperties {
  std::map<std::string, std::string> updates;
};
struct RemoveProperties {
  std::vector<std::string> removals;
};
struct SetLocation {
  std::string location;
};
struct AssignUuid {
  std::string uuid;
};

using TableUpdate = std::variant<AddSchema, SetCurrentSchema, AddSpec, SetDefaultSpec, AddSnapshot, SetSnapshotRef, RemoveSnapshotRef,
                                 SetProperties, RemoveProperties, SetLocation, AssignUuid>;

struct TableChange {
  std::vector<TableRequirement> requirements;
  std::vector<TableUpdate> updates;
};

/// {"requirements": [...], "updates": [...]}: the body of a REST commit.
nlohmann::json to_json(const TableChange& change);

/// kConflict: a requirement does not hold; the message says which.
Result<void> check_requirements(const TableMetadata& base, const TableChange& change);

/// `base` after `change`: requirements checked, then the updates in order; last-updated becomes max(now, previous).
/// Errors: kConflict (requirement), kInvalidInput (an update that no table allows: a sequence number not above the last, an unknown id).
Result<TableMetadata> apply(const TableMetadata& base, const TableChange& change, Timestamp now);

/// Appends the file that held `base` to the metadata log of `changed` and trims the log to `write.metadata.previous-versions-max`.
/// Returns the files that fell out, for deletion after the commit; empty unless `write.metadata.delete-after-commit.enabled`.
std::vector<std::string> log_previous_metadata(TableMetadata& changed, const TableMetadata& base, const std::string& base_file);

/// Metadata of a table without rows. `schema` and `spec` carry final ids.
TableMetadata new_table_metadata(std::string uuid, std::string location, Schema schema, PartitionSpec spec,
                                 std::map<std::string, std::string> properties, Timestamp now);

}  // namespace sluice
