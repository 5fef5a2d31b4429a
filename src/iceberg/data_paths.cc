#include "iceberg/data_paths.h"

#include <fmt/format.h>

#include "iceberg/transform.h"
#include "iceberg/writer_properties.h"

namespace sluice {
namespace {

// 20 bits of hash in folders of 4, 4, 4 and 8, as Iceberg's own writers have them.
std::string hashed_prefix(const std::string& batch, uint32_t number) {
  const uint32_t hash = bucket_hash(fmt::format("{}-{}", batch, number));
  const std::string bits = fmt::format("{:020b}", hash & 0xFFFFFU);
  return fmt::format("{}/{}/{}/{}", bits.substr(0, 4), bits.substr(4, 4), bits.substr(8, 4), bits.substr(12));
}

std::string batch_folder(const std::string& location, const std::string& batch, uint32_t number) {
  return fmt::format("{}/{}/{}/", location, hashed_prefix(batch, number), batch);
}

}  // namespace

DataLayout data_layout(const TableMetadata& metadata) {
  DataLayout layout{data_location(metadata)};
  const auto properties = WriterProperties::from(metadata.properties);
  layout.hashed = properties.object_storage;
  layout.partitions_in_path = !layout.hashed || properties.partitioned_paths;
  return layout;
}

std::vector<std::string> data_folders(const std::string& location, bool hashed, const std::string& batch) {
  if (!hashed) return {fmt::format("{}/{}/", location, batch)};
  std::vector<std::string> folders;
  for (uint32_t number = 0; number < kHashedPrefixesPerBatch; ++number) folders.push_back(batch_folder(location, batch, number));
  return folders;
}

std::string data_file_path(const DataLayout& layout, const std::string& batch, const std::string& partition, const std::string& uuid) {
  std::string path = layout.hashed ? batch_folder(layout.location, batch, bucket_hash(uuid) % kHashedPrefixesPerBatch)
                                   : fmt::format("{}/{}/", layout.location, batch);
  if (layout.partitions_in_path && !partition.empty()) path += partition + "/";
  return path + uuid + ".parquet";
}

}  // namespace sluice
