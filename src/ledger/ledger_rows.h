// Rows of the ledger's tables as values of the model. For the ledger's .cc files.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "model/batch.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "model/run.h"
#include "sql/sql_connection.h"

namespace sluice {

/// Column lists for SELECT, in the order that the functions below read.
extern const std::string_view kBatchColumns;
extern const std::string_view kRunColumns;
extern const std::string_view kFileColumns;
extern const std::string_view kClaimedFileColumns;
extern const std::string_view kIngestionColumns;

/// Conditions on processed_files: what a run may claim. ?2: attempts_max, ?3: the run. What it has put back or tried itself waits for the
/// next one.
extern const std::string_view kWaitingDiscovered;
extern const std::string_view kWaitingFailed;

/// The SELECT that run_from reads.
std::string runs_where(std::string_view condition);

/// kCorruption: a stored text is none of ours.
Result<BatchRecord> batch_from(const SqlRows& row);
Result<RunRecord> run_from(const SqlRows& row);
Result<FileRecord> file_from(const SqlRows& row);
Result<ClaimedFile> claimed_file_from(const SqlRows& row);
Result<Ingestion> ingestion_from(const SqlRows& row);

/// The present row's columns `column`.. as they stand; kCorruption where the text is no time.
Result<Timestamp> time_at(const SqlRows& row, int column);
Result<std::optional<Timestamp>> optional_time_at(const SqlRows& row, int column);

/// Reads every row through `from`.
template <class Value>
Result<std::vector<Value>> all_rows(SqlRows rows, Result<Value> (*from)(const SqlRows&)) {
  std::vector<Value> values;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return values;
    TRY_ASSIGN(auto value, from(rows));
    values.push_back(std::move(value));
  }
}

/// Reads the first row, if there is one.
template <class Value>
Result<std::optional<Value>> first_row(SqlRows rows, Result<Value> (*from)(const SqlRows&)) {
  TRY_ASSIGN(const bool found, rows.next());
  if (!found) return std::nullopt;
  TRY_ASSIGN(auto value, from(rows));
  return std::optional<Value>(std::move(value));
}

}  // namespace sluice
