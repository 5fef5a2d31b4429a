// What prepare writes for each file.
#include "ledger/sqlite_ledger.h"

namespace sluice {
namespace {

// Row by row: see the note in sqlite_ledger_discovery.cc.
constexpr std::string_view kInsertResult =
    "INSERT INTO batch_results (file_id, batch_id, outcome, records_ingested, bytes_read, processing_duration_ms, file_format, "
    "content_hash, error_type, error_message, error_line, error_byte) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kInsertPiece =
    "INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count) VALUES (?, ?, ?, ?, ?, ?, ?)";

}  // namespace

Result<void> SqliteLedger::insert_results(SqlConnection&, const BatchId& batch, std::span<const FileResult> results) {
  TRY_ASSIGN(auto insert_result, writer_->prepare(kInsertResult));
  TRY_ASSIGN(auto insert_piece, writer_->prepare(kInsertPiece));
  for (const FileResult& result : results) {
    const Error error = result.error.value_or(Error{});
    TRY(insert_result.execute(result.file.id, batch.text, to_string(result.outcome), result.rows, result.bytes_read, result.duration_ms,
                              result.format, result.content_hash, error_type_of(result), error_message_of(result), error.line, error.byte));
    int64_t piece = 0;
    for (const FilePiece& part : pieces_of(result)) {
      TRY(insert_piece.execute(batch.text, result.file.path, result.file.version, piece++, part.data_file, part.first_row, part.row_count));
    }
  }
  return {};
}

}  // namespace sluice
