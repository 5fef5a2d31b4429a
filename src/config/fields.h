// Text -> value for single settings, the same for sluice.yaml, flags and REST bodies. Pure. Errors are kInvalidInput and say what would
// be right; the caller adds where the text stood.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// The candidate that `text` may have meant: `; did you mean "table"?`; empty where none is near.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

Result<int64_t> parse_count(std::string_view text);                       ///< "10000", 0 or more
Result<int> parse_attempts(std::string_view text);                        ///< a count of at most kAttemptsMax
Result<int64_t> parse_size_bytes(std::string_view text);                  ///< "1GiB", "500MB", "4096"
Result<std::chrono::microseconds> parse_duration(std::string_view text);  ///< "30s", "5m", "250ms", "1h30m", "2d", "0"
Result<bool> parse_switch(std::string_view text);                         ///< true | false
Result<char> parse_character(std::string_view text);                      ///< one byte; "\t" and "tab" too
Result<char> parse_character_or_none(std::string_view text);              ///< the same, and "none" for none ('\0')
Result<char> read_decimal_mark(std::string_view text);                    ///< . | ,
Result<TextEncoding> read_encoding(std::string_view text);                ///< in any case: auto | utf-8 | utf-16 | latin-1 | ...
/// "10" rows, "1%" of a file's rows.
Result<void> parse_bad_rows_max(std::string_view text, BadRows& into);

Result<SchemaMode> read_schema_mode(std::string_view text);
Result<OnChange> read_on_change(std::string_view text);
Result<BadRowAction> read_bad_row_action(std::string_view text);
Result<std::string> read_format(std::string_view text);  ///< auto | json | csv | tsv | text | parquet | avro | orc | sql
Result<DumpDialect> read_sql_dialect(std::string_view text);
Result<std::string> read_order(std::string_view text);  ///< name | time
Result<std::string> read_metadata_column(std::string_view text);
/// A time; `now` is left to the caller, who knows the clock.
Result<Timestamp> read_instant(std::string_view text);

/// "ns.name", or "catalog.ns.name" where the first part names one of `catalogs`. Without a catalog: `local`, or the only one there is.
Result<TableRef> parse_table_ref(std::string_view text, std::span<const std::string> catalogs);

}  // namespace sluice
