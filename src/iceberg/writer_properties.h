// The table properties that a writer honours beside those of Parquet files (parquet_writer.h): names, defaults and what is allowed, in one
// place. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/units.h"

namespace sluice {

struct WriterProperties {
  int64_t target_file_bytes = 512 * kMiB;     ///< write.target-file-size-bytes
  bool object_storage = false;                ///< write.object-storage.enabled
  bool partitioned_paths = true;              ///< write.object-storage.partitioned-paths
  bool merges_manifests = true;               ///< commit.manifest-merge.enabled
  int64_t manifests_to_merge_min = 100;       ///< commit.manifest.min-count-to-merge
  int64_t manifest_bytes = 8 * kMiB;          ///< commit.manifest.target-size-bytes
  bool metadata_gzip = false;                 ///< write.metadata.compression-codec
  int64_t previous_metadata_files_max = 100;  ///< write.metadata.previous-versions-max
  bool deletes_old_metadata = false;          ///< write.metadata.delete-after-commit.enabled

  /// The first value that cannot be read. Its member has the default: what was staged before somebody set it must still be published or
  /// given up, so a commit goes on, and check_writer_properties() stops the next batch.
  std::optional<Error> unreadable;

  static WriterProperties from(const std::map<std::string, std::string>& properties);
};

/// Of all properties that are honoured. kInvalidInput names the property, its value and what is allowed.
Result<void> check_writer_properties(const std::map<std::string, std::string>& properties);

/// The same of those that a new table shall get, which also ask for no table that is not made (`format-version` other than 2, data files
/// other than Parquet) and set no mark (`sluice.*`).
Result<void> check_new_table_properties(const std::map<std::string, std::string>& properties);

}  // namespace sluice
