// JSON: NDJSON, concatenated or pretty-printed documents, arrays of objects; plain, gzip or zstd. Thread-safe; its readers are not.
//
// A row is an object. Lines without one (empty ones apart), text that is not RFC 8259 or not UTF-8, and nesting above kNestingDepthMax
// are bad rows. Splits: only plain NDJSON, decided by the head of the file; later lines that hold no whole object are then bad rows.
// In documents that span lines a bad row may reach to the end of the file: only balanced brackets tell where the next one begins.
// BadRows::rows_max counts what one reader sees; percent_max is checked at the end of a reader that has the whole file. A caller that
// reads a file in several splits adds up both.
#pragma once

#include "formats/format.h"

namespace sluice {

/// Blobs must outlive the readers opened on them. In a split with offset above 0 lines are not known: line 0, byte as always.
const Format& json_format();

}  // namespace sluice
