// Parquet objects as the target of an ingestion: what the flag --parquet and the key `parquet` say. Pure, except that relative paths start
// at the working folder.
#pragma once

#include <string_view>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// "s3://bucket/prefix", "file:///data/out", or a folder.
Result<ObjectTarget> read_object_target(std::string_view text);

/// Makes it the target, with the defaults of objects where the ingestion has those of a table: no metadata columns (what an object was made
/// from stands in its own metadata), smaller batches. Before the keys that may say otherwise are read.
void take_object_target(ObjectTarget target, Ingestion& ingestion);

/// What only a table has, and places from which the next run would load its own objects. kInvalidInput names the field.
Result<void> check_object_target(const Ingestion& ingestion);

}  // namespace sluice
