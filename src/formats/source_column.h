// The paths in a data file's column _source_file, for data files whose footer does not say what they were made from.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// Rows by path; under "" those without one, all of them where there is no such column. Memory: the distinct paths of one file and one
/// block of rows. An error is one of the store, or kCorruption: no Parquet file that can be read.
Result<std::map<std::string, int64_t>> rows_by_source(Blob& file, Context& context);

}  // namespace sluice
