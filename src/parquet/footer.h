// What a Parquet file says of itself: how many rows, and the notes its writer left.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

struct ParquetFooter {
  int64_t rows = 0;
  std::map<std::string, std::string> notes;  ///< the file's key-value metadata
};

/// Reads the end of the file only. kInvalidInput: it is no Parquet file; else the blob's errors.
Result<ParquetFooter> read_parquet_footer(Blob& blob, Context& context);

}  // namespace sluice
