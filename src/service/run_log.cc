#include "service/run_log.h"

namespace sluice {

void RunLog::discovered(int64_t found, int64_t done_before, int64_t to_load, int64_t bytes, int64_t /*failed*/) {
  log_.write(LogLevel::kInfo, "discovered",
             {{"run_id", run_}, {"found", found}, {"done_before", done_before}, {"to_load", to_load}, {"bytes", bytes}});
}

void RunLog::claimed(const ClaimedBatch& batch) {
  log_.write(LogLevel::kInfo, "claimed",
             {{"run_id", run_}, {"batch_id", batch.lease.batch.text}, {"files", static_cast<int64_t>(batch.files.size())}});
}

void RunLog::file_read(const FileResult& result) {
  if (!result.error) return;
  log_.write(LogLevel::kWarning, "file",
             {{"run_id", run_},
              {"file_path", result.file.path},
              {"outcome", std::string(to_string(result.outcome))},
              {"error_type", result.error->type},
              {"message", result.error->message}});
}

void RunLog::publishing(const PreparedBatch& batch) {
  log_.write(LogLevel::kInfo, "publishing",
             {{"run_id", run_}, {"batch_id", batch.batch.text}, {"rows", batch.rows}, {"table", batch.target.table}});
}

void RunLog::confirmed(const PreparedBatch& batch, const Published& published, int64_t files) {
  log_.write(LogLevel::kInfo, "confirmed",
             {{"run_id", run_}, {"batch_id", batch.batch.text}, {"files", files}, {"snapshot_id", published.snapshot_id.value_or(0)}});
}

void RunLog::schema_changed(const std::string& text) { log_.write(LogLevel::kInfo, "schema", {{"run_id", run_}, {"change", text}}); }

void RunLog::warning(const std::string& text) {
  log_.write(LogLevel::kWarning, "warning", {{"run_id", run_}, {"ingestion_id", ingestion_}, {"message", text}});
}

void RunLog::disposed(const DisposedFiles& files) {
  if (files.any()) {
    log_.write(LogLevel::kInfo, "disposed",
               {{"run_id", run_}, {"moved", files.moved}, {"deleted", files.deleted}, {"tagged", files.tagged}});
  }
  if (files.error)
    log_.write(LogLevel::kError, "disposed", {{"run_id", run_}, {"ingestion_id", ingestion_}, {"error", files.error->message}});
}

}  // namespace sluice
