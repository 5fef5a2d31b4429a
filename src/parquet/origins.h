// What the rows of a Parquet file were made from, in the file's own footer: found there when the ledger is lost. Free functions; pure but
// for read_origins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

/// Key of the footer's metadata under which origins lie.
inline constexpr std::string_view kOriginsKey = "sluice.origins";

/// Rows that one version of a file put here, behind those of the entry before.
struct OriginRows {
  std::string path;  ///< as the ledger knows it
  std::string version;
  int64_t rows = 0;

  bool operator==(const OriginRows&) const = default;
};

struct Origins {
  std::string ingestion_id, ingestion_name, batch_id, run_id;
  std::vector<OriginRows> files;  ///< in the order of the rows; together they are all rows of the file

  bool operator==(const Origins&) const = default;
};

/// One JSON value, {"v": 1, "ingestion": .., "name": .., "batch": .., "run": .., "files": [[path, version, rows], ..]}. A long list is
/// packed, because every reader of the table reads the footer: "packed" (zstd, then base64) instead of "files".
std::string to_footer(const Origins& origins);
/// kCorruption: not such a value, or a newer program's.
Result<Origins> parse_origins(std::string_view footer);

/// Of a whole Parquet file; reads its footer only. nullopt: written by another program. kCorruption: no Parquet file.
Result<std::optional<Origins>> read_origins(Blob& file, Context& context);

}  // namespace sluice
