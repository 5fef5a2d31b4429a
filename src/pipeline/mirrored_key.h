// Where a file's Parquet object lies: below the prefix as the file lies below its source's root. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// "<prefix>/dir/a.csv.parquet" for dir/a.csv below the fixed folder of the source's glob (of a folder that was named: below it; of a
/// file: its name). kInvalidInput, type BadName: no object can be called so, in that store.
/// Members of an archive lie below its name: "<prefix>/a.zip/x.csv.parquet".
Result<std::string> mirrored_key(std::string_view prefix, const Source& source, std::string_view path, bool is_member = false);

}  // namespace sluice
