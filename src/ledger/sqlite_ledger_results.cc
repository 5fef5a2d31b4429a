// What prepare writes for each file.
#include "ledger/sqlite_ledger.h"
#include "ledger/sqlite_rows_together.h"

namespace sluice {
namespace {

constexpr std::string_view kInsertResults =
    "INSERT INTO batch_results (file_id, batch_id, outcome, records_ingested, bytes_read, processing_duration_ms, file_format, "
    "content_hash, error_type, error_message, error_line, error_byte) VALUES";
constexpr std::string_view kInsertPieces =
    "INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count, content_hash) VALUES";
/// What the record says of the version before goes into the history, for that version may come back.
constexpr std::string_view kKeepHash =
    "UPDATE batch_files SET content_hash = ?1 WHERE file_path = ?2 AND version = ?3 AND piece = 0 AND content_hash = '' AND "
    "EXISTS (SELECT 1 FROM batches b WHERE b.id = batch_files.batch_id AND b.ingestion_id = (SELECT ingestion_id FROM batches WHERE id = "
    "?4))";

}  // namespace

Result<void> SqliteLedger::insert_results(SqlConnection&, const BatchId& batch, std::span<const FileResult> results) {
  SqliteRowsTogether rows(*writer_, kInsertResults, 12);
  SqliteRowsTogether pieces(*writer_, kInsertPieces, 8);
  for (const FileResult& result : results) {
    const Error error = result.error.value_or(Error{});
    TRY(rows.add(result.file.id, batch.text, to_string(result.outcome), result.rows, result.bytes_read, result.duration_ms, result.format,
                 result.content_hash, error_type_of(result), error_message_of(result), error.line, error.byte));
    const ClaimedFile& file = result.file;
    if (!file.loaded_hash.empty()) TRY(writer_->execute(kKeepHash, file.loaded_hash, file.path, file.loaded_version, batch.text));
    int64_t number = 0;
    for (const FilePiece& piece : pieces_of(result)) {
      TRY(pieces.add(batch.text, result.file.path, result.file.version, number++, piece.data_file, piece.first_row, piece.row_count,
                     piece.content_hash));
    }
  }
  TRY(rows.flush());
  return pieces.flush();
}

}  // namespace sluice
