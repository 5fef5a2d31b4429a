// Columns that a file's path gives: one value for all of its rows. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/file.h"

namespace sluice {

/// What Hive and Spark call the folder of rows whose value is null.
inline constexpr std::string_view kHiveNull = "__HIVE_DEFAULT_PARTITION__";

struct HiveColumn {
  std::string key;
  std::optional<std::string> value;  ///< nullopt: null
};

/// Folders named key=value above the file (of a member: those of its archive, too), %XX decoded. A key twice: the inner folder counts.
/// Names of metadata columns are none.
std::vector<HiveColumn> hive_columns(const ClaimedFile& file);

}  // namespace sluice
