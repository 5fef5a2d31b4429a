// Where the data files of a batch lie: below a folder of the batch, or, where the table asks for `write.object-storage.enabled`, below
// folders of the batch under hashed prefixes, so that a store that splits its load by prefix spreads it. Pure.
#pragma once

#include <string>
#include <vector>

#include "iceberg/table_metadata.h"

namespace sluice {

/// A batch uses so many hashed prefixes: enough to spread its load, few enough to list them all when it is given up.
inline constexpr int kHashedPrefixesPerBatch = 16;

struct DataLayout {
  std::string location;            ///< data_location(metadata)
  bool hashed = false;             ///< write.object-storage.enabled
  bool partitions_in_path = true;  ///< false only with `hashed`: write.object-storage.partitioned-paths
};
DataLayout data_layout(const TableMetadata& metadata);

/// Every folder (with a trailing "/") below which data files of `batch` may lie, and those of no other batch.
std::vector<std::string> data_folders(const std::string& location, bool hashed, const std::string& batch);

/// "<location>/[<hash>/]<batch>/[<partition>/]<uuid>.parquet"; <hash> as Iceberg writes it, "0101/0110/1001/10110010".
std::string data_file_path(const DataLayout& layout, const std::string& batch, const std::string& partition, const std::string& uuid);

}  // namespace sluice
