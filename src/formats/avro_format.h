// Avro object container files, read block by block, with the types of their own schema. Thread-safe; its readers are not.
//
// A union with null makes its other branch optional. A union of several is a struct with one member per branch (member0, member1, ...), as
// Spark reads it, of which one has a value; int with long is long, float with double is double. Fields of type null are passed over.
#pragma once

#include "formats/format.h"

namespace sluice {

/// Blobs must outlive the readers opened on them.
const Format& avro_format();

}  // namespace sluice
