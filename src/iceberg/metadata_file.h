// metadata.json files: read (plain or gzip) and written under fresh names. Free functions; thread-safe as far as the store is.
#pragma once

#include <string>

#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "iceberg/table_metadata.h"
#include "storage/object_store.h"

namespace sluice {

/// Larger metadata is refused: 100,000 snapshots stay below it.
inline constexpr int64_t kMetadataBytesMax = 1024 * kMiB;

/// kCorruption names the file.
Result<TableMetadata> read_metadata_file(ObjectStore& store, const std::string& location, Context& context);

/// A fresh `<metadata dir>/<version>-<uuid>.metadata.json` (".gz.metadata.json" where write.metadata.compression-codec says gzip).
std::string new_metadata_location(const TableMetadata& metadata, int version);

/// Writes the file, gzipped where its name says so, only where nothing is.
Result<void> write_metadata_file(ObjectStore& store, const TableMetadata& metadata, const std::string& location, Context& context);

/// 7 of ".../00007-<uuid>.metadata.json" or ".../v7.metadata.json"; -1 where the name says none.
int metadata_file_version(const std::string& location);

}  // namespace sluice
