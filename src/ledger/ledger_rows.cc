#include "ledger/ledger_rows.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

template <class Enum>
Result<Enum> name_at(const SqlRows& row, int column, std::optional<Enum> (*parse)(std::string_view)) {
  if (const auto value = parse(row.text_view(column))) return *value;
  return fail(ErrorCode::kCorruption, fmt::format("the ledger holds the unknown word '{}'", row.text_view(column)));
}

template <class Value>
Result<std::vector<Value>> list_at(const SqlRows& row, int column) {
  try {
    return nlohmann::json::parse(row.text_view(column)).get<std::vector<Value>>();
  } catch (const nlohmann::json::exception& e) {
    return fail(ErrorCode::kCorruption, fmt::format("the ledger holds a broken list: {}", e.what()));
  }
}

}  // namespace

std::string runs_where(std::string_view condition) { return fmt::format("SELECT {} FROM runs WHERE {}", kRunColumns, condition); }

const std::string_view kBatchColumns =
    "id, ingestion_id, run_id, state, tracked, disowned, epoch, holder, seq, target, prepared_record, snapshot_id, sequence_number, "
    "reason, created_at, finished_at, swept_at";
const std::string_view kRunColumns =
    "id, ingestion_id, sequence, trigger_type, status, holder, started_at, completed_at, files_processed, files_failed, files_skipped, "
    "files_unchanged, records_written, rows_rescued, rows_rejected, bytes_processed, schema_changes, snapshots, error";
const std::string_view kFileColumns =
    "id, source_id, file_path, file_format, file_size_bytes, file_modified_at, file_etag, loaded_version, status, retry_count, run_id, "
    "batch_id, discovered_at, processing_started_at, processed_at, records_ingested, bytes_read, processing_duration_ms, error_type, "
    "error_message, error_line, error_byte, snapshot_id, archive_path";
const std::string_view kIngestionColumns = "definition, status, sealed";

const std::string_view kClaimedFileColumns =
    "id, source_id, file_path, file_etag, file_size_bytes, file_modified_at, retry_count, worker_deaths, loaded_version, content_hash, "
    "archive_path, file_format";
const std::string_view kWaitingDiscovered =
    "status = 'DISCOVERED' AND error_type <> 'NeedsApproval' AND (error_type NOT IN ('ChangedWhileRead', 'Unavailable') OR run_id IS "
    "DISTINCT FROM ?3)";
const std::string_view kWaitingFailed = "status = 'FAILED' AND retry_count < ?2 AND run_id IS DISTINCT FROM ?3";

Result<Timestamp> time_at(const SqlRows& row, int column) {
  if (const auto time = row.time(column)) return *time;
  return fail(ErrorCode::kCorruption, fmt::format("the ledger holds '{}' where a time belongs", row.text_view(column)));
}

Result<std::optional<Timestamp>> optional_time_at(const SqlRows& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return time_at(row, column);
}

Result<BatchRecord> batch_from(const SqlRows& row) {
  BatchRecord batch;
  batch.id = BatchId(row.text(0));
  batch.ingestion = IngestionId(row.text(1));
  batch.run = RunId(row.text(2));
  TRY_ASSIGN(batch.state, name_at(row, 3, parse_batch_state));
  batch.tracked = row.integer(4) != 0;
  batch.disowned = row.integer(5) != 0;
  batch.epoch = row.integer(6);
  batch.holder = WorkerId(row.text(7));
  batch.seq = row.integer(8);
  if (!row.is_null(9)) {
    TRY_ASSIGN(batch.target, parse_target_pin(row.text_view(9)));
  }
  if (!row.is_null(10)) {
    TRY_ASSIGN(batch.prepared, parse_prepared_batch(row.text_view(10)));
  }
  batch.snapshot_id = row.optional_integer(11);
  batch.sequence_number = row.integer(12);
  batch.reason = row.text(13);
  TRY_ASSIGN(batch.created_at, time_at(row, 14));
  TRY_ASSIGN(batch.finished_at, optional_time_at(row, 15));
  TRY_ASSIGN(batch.swept_at, optional_time_at(row, 16));
  return batch;
}

Result<RunRecord> run_from(const SqlRows& row) {
  RunRecord run;
  run.id = RunId(row.text(0));
  run.ingestion = IngestionId(row.text(1));
  run.sequence = row.integer(2);
  TRY_ASSIGN(run.trigger, name_at(row, 3, parse_trigger));
  TRY_ASSIGN(run.state, name_at(row, 4, parse_run_state));
  run.holder = row.text(5);
  TRY_ASSIGN(run.started_at, time_at(row, 6));
  TRY_ASSIGN(run.completed_at, optional_time_at(row, 7));
  run.metrics = {.files_processed = row.integer(8),
                 .files_failed = row.integer(9),
                 .files_skipped = row.integer(10),
                 .files_unchanged = row.integer(11),
                 .records_written = row.integer(12),
                 .rows_rescued = row.integer(13),
                 .rows_rejected = row.integer(14),
                 .bytes_processed = row.integer(15)};
  TRY_ASSIGN(run.schema_changes, list_at<std::string>(row, 16));
  TRY_ASSIGN(run.snapshots, list_at<int64_t>(row, 17));
  run.error = row.text(18);
  return run;
}

Result<FileRecord> file_from(const SqlRows& row) {
  FileRecord file;
  file.id = row.integer(0);
  file.source = SourceId(row.text(1));
  file.path = row.text(2);
  file.format = row.text(3);
  file.size_bytes = row.integer(4);
  TRY_ASSIGN(file.modified_at, time_at(row, 5));
  file.version = row.text(6);
  file.loaded_version = row.text(7);
  TRY_ASSIGN(file.state, name_at(row, 8, parse_file_state));
  file.attempts = static_cast<int>(row.integer(9));
  file.run_id = row.text(10);
  file.batch_id = row.text(11);
  TRY_ASSIGN(file.discovered_at, time_at(row, 12));
  TRY_ASSIGN(file.started_at, optional_time_at(row, 13));
  TRY_ASSIGN(file.processed_at, optional_time_at(row, 14));
  file.rows = row.integer(15);
  file.bytes_read = row.integer(16);
  file.duration_ms = row.integer(17);
  file.error_type = row.text(18);
  file.error_message = row.text(19);
  file.error_line = row.integer(20);
  file.error_byte = row.integer(21);
  file.snapshot_id = row.optional_integer(22);
  file.archive = row.text(23);
  return file;
}

Result<ClaimedFile> claimed_file_from(const SqlRows& row) {
  ClaimedFile file;
  file.id = row.integer(0);
  file.source = SourceId(row.text(1));
  file.path = row.text(2);
  file.version = row.text(3);
  file.size_bytes = row.integer(4);
  TRY_ASSIGN(file.modified_at, time_at(row, 5));
  file.attempts = static_cast<int>(row.integer(6));
  file.worker_deaths = static_cast<int>(row.integer(7));
  file.loaded_version = row.text(8);
  file.loaded_hash = row.text(9);
  file.archive = row.text(10);
  file.format = row.text(11);
  return file;
}

Result<Ingestion> ingestion_from(const SqlRows& row) {
  TRY_ASSIGN(auto ingestion, parse_ingestion(row.text_view(0)));
  ingestion.status = row.text(1);
  ingestion.sealed = row.text(2);
  return ingestion;
}

}  // namespace sluice
