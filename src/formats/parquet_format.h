// Parquet: row groups are read one after the other, a few thousand rows at a time, through Arrow's reader. Thread-safe; its readers are
// not. Types are those the file states: INT96 timestamps are instants (as Spark, Hive and Impala write them, and as Iceberg reads them).
#pragma once

#include "formats/format.h"

namespace sluice {

/// Blobs must outlive the readers opened on them.
const Format& parquet_format();

}  // namespace sluice
