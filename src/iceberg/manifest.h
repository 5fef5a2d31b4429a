// Manifests and manifest lists: what they hold as values, written as Iceberg version 2 and read from any version (spec, sections
// "Manifests" and "Manifest Lists"). Byte strings in, byte strings out: no I/O. Readers and writers are not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "iceberg/table_metadata.h"
#include "schema/literal.h"

namespace sluice {

enum class FileContent { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };

/// A data or delete file as manifests describe it. Everything that another writer said is kept, so that entries can be carried over.
struct DataFile {
  FileContent content = FileContent::kData;
  std::string file_path;
  std::string file_format = "PARQUET";
  std::vector<Literal> partition;  ///< one value per field of the manifest's spec, in the transform's result type
  int64_t record_count = 0;
  int64_t file_size_bytes = 0;
  std::map<int, int64_t> column_sizes, value_counts, null_value_counts, nan_value_counts;  ///< by field id
  std::map<int, std::string> lower_bounds, upper_bounds;                                   ///< single-value bytes by field id
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;
  std::vector<int> equality_ids;
  std::optional<int> sort_order_id;
  std::optional<std::string> referenced_data_file;
};

enum class EntryStatus { kExisting = 0, kAdded = 1, kDeleted = 2 };

struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> sequence_number;       ///< nullopt: inherited from the manifest (status added only)
  std::optional<int64_t> file_sequence_number;  ///< nullopt: inherited
  DataFile file;
};

/// Bounds of one partition field over a manifest's files.
struct PartitionSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound, upper_bound;  ///< single-value bytes of the transform's result type
};

/// One line of a manifest list.
struct ManifestFile {
  std::string path;
  int64_t length = 0;  ///< exact bytes
  int spec_id = 0;
  int content = 0;  ///< 0 data, 1 deletes
  int64_t sequence_number = 0;
  int64_t min_sequence_number = 0;
  int64_t added_snapshot_id = 0;
  int64_t added_files = 0, existing_files = 0, deleted_files = 0;  ///< -1: the writer (version 1) did not say
  int64_t added_rows = 0, existing_rows = 0, deleted_rows = 0;     ///< -1: the same
  std::vector<PartitionSummary> partitions;
  std::optional<std::string> key_metadata;

  bool has_live_files() const { return added_files != 0 || existing_files != 0; }
};

/// Sequence number of a manifest that is not committed yet; write_manifest_list puts the snapshot's own in its place.
inline constexpr int64_t kSequenceNumberNotAssigned = -1;

/// The types that a spec's transforms give, in order. kCorruption: a source column that no schema of the table knows.
Result<std::vector<TypePtr>> partition_types(const TableMetadata& metadata, const PartitionSpec& spec);

/// Collects entries into one manifest of one spec. Memory: the compressed bytes plus one block.
class ManifestWriter {
 public:
  virtual ~ManifestWriter() = default;
  /// kInvalidInput: the partition values do not fit the spec.
  virtual Result<void> append(const ManifestEntry& entry) = 0;
  /// Compressed bytes so far: an estimate of the size if finished now.
  virtual int64_t size_bytes_estimate() const = 0;
  virtual int64_t entries() const = 0;
  struct Finished {
    std::string bytes;
    ManifestFile summary;  ///< without path; sequence numbers not assigned, or the least explicit one as minimum
  };
  virtual Result<Finished> finish() = 0;
};

struct ManifestShape {
  Schema schema;
  std::string schema_json;  ///< as the header shall hold it
  PartitionSpec spec;
  std::vector<TypePtr> partition_types;
  int content = 0;  ///< 0 data, 1 deletes
  int64_t snapshot_id = 0;
};
/// `snapshot_id` becomes the summary's added_snapshot_id.
Result<ManifestShape> manifest_shape(const TableMetadata& metadata, int spec_id, int64_t snapshot_id);
std::unique_ptr<ManifestWriter> make_manifest_writer(ManifestShape shape);

/// Calls `visit` for every entry, one at a time, sequence numbers and snapshot ids inherited from `manifest` where they are null.
/// `visit` may stop by returning an error. kCorruption: not a manifest; the message says where.
using EntryVisitor = std::function<Result<void>(ManifestEntry entry)>;
Result<void> read_manifest(std::string_view bytes, const ManifestFile& manifest, const std::vector<TypePtr>& types,
                           const PartitionSpec& spec, const EntryVisitor& visit);

/// Manifests whose sequence number is not assigned get `sequence_number`. kInvalidInput: a manifest without counts, which version 2
/// does not allow (readers would pass over its rows).
Result<std::string> write_manifest_list(const std::vector<ManifestFile>& manifests, int64_t snapshot_id,
                                        std::optional<int64_t> parent_snapshot_id, int64_t sequence_number);
Result<std::vector<ManifestFile>> read_manifest_list(std::string_view bytes);

}  // namespace sluice
