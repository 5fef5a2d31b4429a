// The Avro schemas of manifests and manifest lists as literal text, with Iceberg's field ids in it. Pure.
#pragma once

#include <string>
#include <vector>

#include "iceberg/table_metadata.h"
#include "schema/type.h"

namespace sluice {

/// Record manifest_entry for a spec whose fields have these result types.
std::string manifest_entry_schema(const PartitionSpec& spec, const std::vector<TypePtr>& types);
/// Record manifest_file.
std::string manifest_file_schema();
/// Bytes of the fixed that holds a decimal of this precision.
int decimal_bytes(int precision);

}  // namespace sluice
