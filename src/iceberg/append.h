// Plans of commits to one table: append data files, fence, change the schema. A plan writes the manifests and the manifest list that its
// change names, each under a fresh name and only where nothing is; the commit itself is the catalog's part. Free functions; thread-safe
// as far as the store is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "iceberg/catalog.h"
#include "iceberg/manifest.h"
#include "iceberg/table_change.h"
#include "parquet/parquet_writer.h"
#include "storage/object_store.h"

namespace sluice {

/// A staged data file and its place in the spec it was written under.
struct StagedFile {
  WrittenFile file;
  std::vector<Literal> partition;  ///< one value per field of the spec
};

/// A manifest that waits for its commit; the same in every attempt. Serializable: goes into the prepared record.
struct StagedManifest {
  ManifestFile manifest;  ///< sequence numbers not assigned
  int64_t changed_partitions = 0;
  int64_t files_bytes = 0;  ///< sizes of its data files, together
};
std::string to_json(const std::vector<StagedManifest>& manifests);
Result<std::vector<StagedManifest>> parse_staged_manifests(std::string_view json);

/// Writes the files of one batch into new manifests `<metadata dir>/<name_prefix>m<n>-<uuid>.avro`, status added, sequence numbers
/// inherited: usable in every attempt as long as `snapshot_id` stays. All files were written under spec `spec_id`. No files: no manifests.
Result<std::vector<StagedManifest>> write_append_manifests(ObjectStore& store, const TableMetadata& metadata, int spec_id,
                                                           const std::vector<StagedFile>& files, int64_t snapshot_id,
                                                           const std::string& name_prefix, Context& context);

/// What a snapshot says of itself besides the counts; keys that the counts use are overridden by them.
struct SnapshotNotes {
  std::map<std::string, std::string> summary;            ///< sluice.batch-id, ...
  std::map<std::string, std::string> properties_to_set;  ///< in the same commit (the mark)
  std::vector<std::string> properties_to_remove;
  /// Names of what an attempt writes: `<metadata dir>/<object_prefix>snap-<snapshot id>-<uuid>.avro` for the manifest list and
  /// `<object_prefix>merged-<uuid>.avro` for merged manifests, so that a batch's leftovers can be found by its id.
  std::string object_prefix;
};

/// One attempt: a change that stands on exactly `base`, and the objects written for it. After a definite refusal the caller may remove
/// them; after an unknown outcome never.
struct CommitPlan {
  TableChange change;
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;
  std::vector<std::string> objects;  ///< manifest list and merged manifests
};

/// Appends staged manifests to main. Manifests of the table are merged as its commit.manifest.* properties say; the staged ones stay.
/// No manifests: a snapshot without rows. Requires table uuid and main's snapshot to be those of `base`.
Result<CommitPlan> plan_append(ObjectStore& store, const LoadedTable& base, const std::vector<StagedManifest>& manifests,
                               int64_t snapshot_id, const SnapshotNotes& notes, Clock& clock, Context& context);

/// Rule W: an empty snapshot that moves main, so that no request in flight can land.
Result<CommitPlan> plan_fence(ObjectStore& store, const LoadedTable& base, int64_t snapshot_id, const SnapshotNotes& notes, Clock& clock,
                              Context& context);

/// Makes `wanted` the current schema: fields with id 0 (at any depth) are new and get ids above the table's last.
/// Requires uuid, current schema and last field id to be those of `base`. kInvalidInput: a change that Iceberg does not allow.
Result<TableChange> plan_schema_change(const TableMetadata& base, Schema wanted);

/// Makes `spec` the default partition spec; fields with field_id 0 get ids.
Result<TableChange> plan_spec_change(const TableMetadata& base, PartitionSpec spec);

/// Rule P in the doubtful case: does a live manifest of main name a data file at or below one of `paths` (a path ending in "/" is a
/// prefix)? "file:/p", "file:///p" and "/p" are the same path. Streaming; stops at the first.
Result<bool> live_paths_contain(ObjectStore& store, const TableMetadata& metadata, const std::vector<std::string>& paths, Context& context);

/// Every live data file of main, in manifest order.
Result<void> for_each_live_file(ObjectStore& store, const TableMetadata& metadata,
                                const std::function<Result<void>(const ManifestEntry&)>& visit, Context& context);

/// One spelling per place: "file:/p" and "/p" -> "file:///p"; other URIs unchanged.
std::string normalized_path(const std::string& path);

}  // namespace sluice
