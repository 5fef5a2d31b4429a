// How one table of a dump looks as a file of its own: a first line that says so, and which database wrote the dump; then pieces of the
// dump, each behind a line that says where it lies in there, so that errors and bad rows name places of the dump. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/ingestion.h"

namespace sluice {

/// Where something lies in a dump.
struct SqlPlace {
  int64_t line = 1, byte = 0;
};

/// All comments of ours begin so.
inline constexpr std::string_view kSqlExtractMark = "-- sluice: ";

std::string sql_extract_line(DumpDialect dialect);  ///< the first line
/// What the first line of such a file says; nullopt: `head` is not the beginning of one.
std::optional<DumpDialect> sql_extract_dialect(std::string_view head);

std::string sql_place_line(SqlPlace place);
/// What such a line, without its end, says of the line behind it.
std::optional<SqlPlace> parse_sql_place(std::string_view line);

}  // namespace sluice
