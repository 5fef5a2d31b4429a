// Small tables for tests of this folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "iceberg/table_change.h"
#include "iceberg/table_metadata.h"

namespace sluice {

inline Schema test_schema() {
  Schema schema;
  schema.fields = {{1, "id", false, make_type(TypeId::kLong)},      {2, "city", false, make_type(TypeId::kString)},
                   {3, "at", false, make_type(TypeId::kTimestamp)}, {4, "price", false, make_decimal(9, 2)},
                   {5, "ratio", false, make_type(TypeId::kDouble)}, {6, "key", false, make_type(TypeId::kUuid)}};
  return schema;
}

inline TableMetadata test_table(std::vector<PartitionField> fields = {}) {
  return new_table_metadata("9c12d441-03fe-4693-9a96-a0705ddf69c1", "mem://lake/t", test_schema(), PartitionSpec{0, std::move(fields)}, {},
                            Timestamp{1'700'000'000'000'000});
}

inline Snapshot test_snapshot(int64_t id, int64_t sequence_number) {
  Snapshot snapshot;
  snapshot.snapshot_id = id;
  snapshot.sequence_number = sequence_number;
  snapshot.timestamp_ms = 1'700'000'000'000 + sequence_number;
  snapshot.manifest_list = "mem://lake/t/metadata/snap-" + std::to_string(id) + ".avro";
  snapshot.summary = {{"operation", "append"}};
  return snapshot;
}

/// A change that puts `snapshot` at main's head.
inline TableChange move_main(const Snapshot& snapshot) {
  return {{}, {AddSnapshot{snapshot}, SetSnapshotRef{std::string(kMainBranch), {.snapshot_id = snapshot.snapshot_id}}}};
}

}  // namespace sluice
