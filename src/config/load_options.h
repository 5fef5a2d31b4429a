// Flags of `sluice load` -> Ingestion. Pure, except that relative paths start at the working folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ingestion.h"

namespace sluice {

/// Flags as typed; nullopt or empty: not given. Each member names its flag.
struct LoadOptions {
  std::vector<std::string> paths;                 // PATH...
  std::string table;                              // --table
  std::string parquet;                            // --parquet
  std::string catalog;                            // --catalog
  std::string name;                               // --name
  std::string format = "auto";                    // --format
  std::string s3_endpoint;                        // --s3-endpoint
  std::vector<std::string> partition_by;          // --partition-by
  bool no_tracking = false;                       // --no-tracking
  std::optional<std::string> delimiter;           // --delimiter
  std::optional<std::string> quote;               // --quote
  std::optional<std::string> escape;              // --escape
  std::optional<bool> header;                     // --header, --no-header
  std::optional<std::string> encoding;            // --encoding, of CSV and plain text
  std::optional<std::string> decimal;             // --decimal
  std::optional<std::string> comment;             // --comment
  std::optional<std::string> skip;                // --skip
  std::string pattern;                            // --pattern
  std::vector<std::string> null_tokens;           // --null
  std::string sql_table;                          // --sql-table
  std::optional<std::string> sql_dialect;         // --sql-dialect
  std::optional<std::string> schema_mode;         // --schema-mode
  std::string contract;                           // --contract
  bool strict_mode = false;                       // --strict
  std::vector<std::string> columns;               // --column
  bool hive_partitioning = false;                 // --hive-partitioning
  std::optional<std::string> on_change;           // --on-change
  std::optional<std::string> on_bad_row;          // --on-bad-row
  std::optional<std::string> bad_rows_max;        // --bad-rows-max
  std::optional<std::string> min_age;             // --min-age
  std::optional<std::string> marker;              // --marker
  std::vector<std::string> ignore;                // --ignore
  std::optional<std::string> modified_after;      // --modified-after
  std::vector<std::string> members;               // --members
  bool nested_archives = false;                   // --nested-archives
  std::optional<std::string> start_from;          // --start-from
  std::optional<std::string> batch_files_max;     // --batch-files-max
  std::optional<std::string> batch_bytes_max;     // --batch-bytes-max
  std::optional<std::string> run_files_max;       // --run-files-max
  std::optional<std::string> order;               // --order
  std::optional<std::string> retry_attempts_max;  // --retry-attempts-max
  std::optional<std::string> move_done;           // --move-done
  std::optional<std::string> move_failed;         // --move-failed
  std::optional<std::string> disposition_done;    // --disposition-done
  std::optional<std::string> disposition_failed;  // --disposition-failed
  std::optional<std::string> metadata_columns;    // --metadata-columns, separated by commas; "" for none
};

/// Validated. Errors are kInvalidInput and name the flag. Paths become absolute; no path is fine (--files-from brings its own).
Result<Ingestion> build_ingestion(const LoadOptions& options, std::span<const std::string> catalogs);

}  // namespace sluice
