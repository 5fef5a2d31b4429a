// Where a large CSV file can be cut between records. Pure but for reading.
#pragma once

#include <cstdint>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "formats/csv_scanner.h"

namespace sluice {

/// Ranges of about `split_bytes` of an uncompressed file, each but the first beginning with a record: behind the first line feed at or
/// after a multiple of `split_bytes` that stands outside quotes. Where a file's quotes follow RFC 4180 this is so; in others a place may be
/// wrong. Then the range before it ends within a quoted field, which its reader refuses: readers that all succeed have cut as one would
/// have.
Result<std::vector<ByteRange>> split_csv(Blob& blob, const CsvDialect& dialect, int64_t split_bytes, Context& context);

}  // namespace sluice
