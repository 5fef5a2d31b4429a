// The metadata of one table at one moment: Iceberg's metadata.json as a value, read and written without losing keys that this program
// does not know. Values and pure functions; no I/O. Written: format version 2. Read: 1 to 3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "schema/type.h"

namespace sluice {

inline constexpr std::string_view kMainBranch = "main";
inline constexpr int kFormatVersionWritten = 2;
/// Field ids of partition fields begin at 1000; this is last-partition-id of a table without any.
inline constexpr int kLastPartitionIdOfNone = 999;

/// One column of a partition. `transform` is Iceberg's text: "identity", "bucket[16]", "truncate[4]", "day", "void", ...
struct PartitionField {
  int source_id = 0;
  int field_id = 0;
  std::string name;
  std::string transform;

  bool operator==(const PartitionField&) const = default;
};

struct PartitionSpec {
  int spec_id = 0;
  std::vector<PartitionField> fields;

  bool operator==(const PartitionSpec&) const = default;
};

struct SortField {
  int source_id = 0;
  std::string transform;
  std::string direction;   ///< "asc" or "desc"
  std::string null_order;  ///< "nulls-first" or "nulls-last"

  bool operator==(const SortField&) const = default;
};

struct SortOrder {
  int order_id = 0;  ///< 0: unsorted
  std::vector<SortField> fields;
};

struct Snapshot {
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_snapshot_id;
  int64_t sequence_number = 0;  ///< 0 for snapshots made under version 1
  int64_t timestamp_ms = 0;
  std::string manifest_list;  ///< absolute URI; empty only for version 1 snapshots that list manifests inline
  std::optional<int> schema_id;
  std::map<std::string, std::string> summary;  ///< "operation" included
  std::string other_json;                      ///< object of the keys not named above, as text; empty: none
};

/// A branch or a tag.
struct SnapshotRef {
  int64_t snapshot_id = 0;
  std::string type = "branch";
  std::optional<int64_t> max_ref_age_ms;
  std::optional<int64_t> max_snapshot_age_ms;
  std::optional<int> min_snapshots_to_keep;
};

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
};

struct MetadataLogEntry {
  int64_t timestamp_ms = 0;
  std::string metadata_file;
};

struct TableMetadata {
  int format_version = kFormatVersionWritten;
  std::string table_uuid;
  std::string location;  ///< without a trailing "/"
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int last_column_id = 0;
  std::vector<Schema> schemas;
  int current_schema_id = 0;
  std::vector<PartitionSpec> specs;
  int default_spec_id = 0;
  int last_partition_id = kLastPartitionIdOfNone;
  std::vector<SortOrder> sort_orders;
  int default_sort_order_id = 0;
  std::map<std::string, std::string> properties;
  std::vector<Snapshot> snapshots;
  std::map<std::string, SnapshotRef> refs;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;

  std::map<int, std::string> schema_json;  ///< schemas as they were read, by id: written back byte for byte in meaning
  std::string other_json;                  ///< object of the top-level keys not named above (statistics, ...), as text; empty: none

  const Snapshot* find_snapshot(int64_t snapshot_id) const;
  /// Where branch main stands; nullptr: the table is empty (or main was dropped).
  const Snapshot* current_snapshot() const;
  const Schema* find_schema(int schema_id) const;
  const Schema& current_schema() const;  ///< always there: read_table_metadata checks it
  const PartitionSpec* find_spec(int spec_id) const;
  const PartitionSpec& default_spec() const;  ///< always there
  /// A table property, or `otherwise`.
  std::string property(const std::string& key, std::string_view otherwise) const;
  /// kInvalidInput: the property is there but no whole number; the message names it.
  Result<int64_t> integer_property(const std::string& key, int64_t otherwise) const;
};

/// Main's snapshots from the newest to the oldest that is still there.
struct Ancestry {
  std::vector<const Snapshot*> snapshots;
  /// kFirst: ends where the table began, or main holds nothing. kPerhapsFirst: at a snapshot without a parent that began with an empty
  /// table: the first one of CREATE OR REPLACE, or one whose parent PyIceberg expired. kExpired: there was something before.
  enum class Start { kFirst, kPerhapsFirst, kExpired } start = Start::kFirst;
};
Ancestry ancestors_of_main(const TableMetadata& metadata);

/// Reads metadata.json (already gunzipped). kCorruption: not table metadata; the message names the key.
Result<TableMetadata> read_table_metadata(std::string_view json);
/// kInvalidInput for other versions than 2: "format version 3 is not supported yet".
Result<std::string> write_table_metadata(const TableMetadata& metadata);

/// kInvalidInput where this program must not write to the table (its format version), saying the way out.
Result<void> check_writable(const TableMetadata& metadata);

/// Folder of data files: `write.data.path`, else <location>/data. No trailing "/".
std::string data_location(const TableMetadata& metadata);
/// Folder of metadata, manifests and manifest lists: `write.metadata.path`, else <location>/metadata. No trailing "/".
std::string metadata_location_dir(const TableMetadata& metadata);

}  // namespace sluice
