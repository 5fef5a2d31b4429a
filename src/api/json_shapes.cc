#include "api/json_shapes.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;

json time_or_null(const std::optional<Timestamp>& time) { return time ? json(to_text(*time)) : json(nullptr); }

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

/// As it is written in sluice.yaml and bodies.
std::string disposition_text(const Disposition& disposition) {
  const std::string kind(to_string(disposition.kind));
  return disposition.folder.empty() ? kind : kind + ":" + disposition.folder;
}

json failure_json(const FileResult& result) {
  json j = {{"file_path", result.file.path}, {"outcome", to_string(result.outcome)}};
  if (result.error) {
    j["error_type"] = text_or_null(result.error->type);
    j["error_message"] = result.error->message;
    j["line"] = result.error->line > 0 ? json(result.error->line) : json(nullptr);
    j["byte"] = result.error->byte >= 0 ? json(result.error->byte) : json(nullptr);
  }
  return j;
}

}  // namespace

json run_json(const RunRecord& run) {
  const RunMetrics& m = run.metrics;
  json j = {{"run_id", run.id.text},
            {"id", run.id.text},
            {"ingestion_id", run.ingestion.text},
            {"status", to_string(run.state)},
            {"trigger", to_string(run.trigger)},
            {"started_at", to_text(run.started_at)},
            {"completed_at", time_or_null(run.completed_at)},
            {"duration_seconds", nullptr},
            {"files_processed", m.files_processed},
            {"metrics",
             {{"files_processed", m.files_processed},
              {"files_failed", m.files_failed},
              {"files_skipped", m.files_skipped},
              {"files_unchanged", m.files_unchanged},
              {"records_written", m.records_written},
              {"rows_rescued", m.rows_rescued},
              {"rows_rejected", m.rows_rejected},
              {"bytes_processed", m.bytes_processed}}},
            {"schema_changes", run.schema_changes},
            {"snapshots", run.snapshots},
            {"error", text_or_null(run.error)}};
  if (run.completed_at) j["duration_seconds"] = static_cast<double>((*run.completed_at - run.started_at).count()) / 1e6;
  return j;
}

json report_json(const RunReport& report) {
  json j = run_json(report.run);
  j["files_found"] = report.files_found;
  j["files_not_ready"] = report.files_not_ready;
  j["failures"] = json::array();
  for (const FileResult& failure : report.failures) j["failures"].push_back(failure_json(failure));
  j["waiting_for_approval"] = waiting_json(report.waiting);
  const DisposedFiles& disposed = report.disposed;
  j["disposed"] = {{"moved", disposed.moved},
                   {"deleted", disposed.deleted},
                   {"tagged", disposed.tagged},
                   {"error", disposed.error ? json(disposed.error->message) : json(nullptr)}};
  j["warnings"] = report.warnings;
  return j;
}

json dry_run_json(const DryRun& dry) {
  json formats = json::array();
  for (const auto& [path, format] : dry.formats) formats.push_back({{"file_path", path}, {"format", format}});
  return {{"dry_run", true},
          {"files_found", dry.files_found},
          {"files_unchanged", dry.files_unchanged},
          {"files_new", dry.files_new},
          {"files_changed", dry.files_changed},
          {"files_waiting", dry.files_waiting},
          {"files_not_ready", dry.files_not_ready},
          {"files_skipped", dry.files_skipped},
          {"bytes", dry.bytes},
          {"archives", dry.archives},
          {"members", dry.members},
          {"sample_paths", dry.sample_paths},
          {"format", text_or_null(dry.format)},
          {"formats", std::move(formats)},
          {"table_exists", dry.table_exists},
          {"schema", schema_json_shape(dry.schema)},
          {"schema_changes", dry.schema_changes},
          {"warnings", dry.warnings}};
}

json file_json(const FileRecord& file) {
  return {{"file_path", file.path},
          {"source_id", file.source.text},
          {"archive", text_or_null(file.archive)},
          {"status", to_string(file.state)},
          {"file_format", text_or_null(file.format)},
          {"file_size_bytes", file.size_bytes},
          {"file_modified_at", to_text(file.modified_at)},
          {"file_etag", file.version},
          {"loaded_version", text_or_null(file.loaded_version)},
          {"attempts", file.attempts},
          {"run_id", text_or_null(file.run_id)},
          {"batch_id", text_or_null(file.batch_id)},
          {"discovered_at", to_text(file.discovered_at)},
          {"processed_at", time_or_null(file.processed_at)},
          {"records_ingested", file.rows},
          {"bytes_read", file.bytes_read},
          {"processing_duration_ms", file.duration_ms},
          {"snapshot_id", or_null(file.snapshot_id)},
          {"error_type", text_or_null(file.error_type)},
          {"error_message", text_or_null(file.error_message)},
          {"line", file.error_line > 0 ? json(file.error_line) : json(nullptr)},
          {"byte", file.error_byte >= 0 ? json(file.error_byte) : json(nullptr)}};
}

json attempt_json(const FileAttempt& attempt) {
  return {{"file_path", attempt.path},
          {"file_etag", attempt.version},
          {"run_id", text_or_null(attempt.run_id)},
          {"at", to_text(attempt.at)},
          {"error_type", attempt.error_type},
          {"error_message", attempt.error_message},
          {"line", attempt.line > 0 ? json(attempt.line) : json(nullptr)},
          {"byte", attempt.byte >= 0 ? json(attempt.byte) : json(nullptr)}};
}

json load_json(const FileLoad& load) {
  return {{"file_path", load.path},
          {"file_etag", load.version},
          {"batch_id", load.batch.text},
          {"snapshot_id", or_null(load.snapshot_id)},
          {"data_file", text_or_null(load.range.data_file)},
          {"first_row", load.range.first_row},
          {"row_count", load.range.row_count}};
}

json waiting_json(const std::vector<WaitingFiles>& waiting) {
  json list = json::array();
  for (const WaitingFiles& group : waiting) list.push_back({{"changes", group.changes}, {"files", group.files}});
  return list;
}

json counts_json(const FileCounts& counts) {
  return {{"discovered", counts.discovered()},
          {"done", counts.success},
          {"failed", counts.failed},
          {"skipped", counts.skipped},
          {"pending", counts.pending}};
}

json inventory_line_json(const InventoryLine& line) {
  return {{"name", line.name},
          {"size_bytes", line.size_bytes},
          {"type", line.type},
          {"state", to_string(line.state)},
          {"reason", line.reason.empty() ? json(nullptr) : json(line.reason)},
          {"rows", line.rows}};
}

json inventory_counts_json(const InventoryCounts& counts) {
  return {{"files", counts.lines()},
          {"done", counts.done},
          {"failed", counts.failed},
          {"skipped", counts.skipped},
          {"pending", counts.pending + counts.in_progress},
          {"in_progress", counts.in_progress}};
}

json inventory_json(const Inventory& inventory) {
  json all = inventory_counts_json(inventory.files);
  all["members"] = inventory_counts_json(inventory.members);
  return all;
}

json verification_json(const Verification& verification) {
  json differences = json::array();
  for (const Difference& one : verification.differences) {
    differences.push_back({{"kind", one.kind}, {"object", one.name}, {"reason", one.reason}});
  }
  json j = {{"files", verification.files},
            {"done", verification.done},
            {"objects", verification.objects},
            {"differences", std::move(differences)}};
  if (!verification.source_changes) return j;
  j["source_changes"] = json::array();
  for (const SourceChange& one : *verification.source_changes) {
    j["source_changes"].push_back({{"kind", one.kind}, {"file", one.path}, {"reason", one.reason}});
  }
  return j;
}

json ingestion_json(const Ingestion& ingestion) {
  json j = json::parse(to_json(ingestion));  // leaves the secrets of stores out
  j["ingestion_id"] = ingestion.id.text;
  j["id"] = ingestion.id.text;
  j["name"] = ingestion.name;
  j["status"] = ingestion.status;
  j["tenant_id"] = ingestion.tenant;
  j["cluster_id"] = text_or_null(ingestion.cluster);
  j["schedule"] = text_or_null(ingestion.schedule);
  j["disposition"] = {{"done", disposition_text(ingestion.disposition.done)}, {"failed", disposition_text(ingestion.disposition.failed)}};
  j.erase("request");
  j.erase("cluster");
  const json request = json::parse(ingestion.request, nullptr, false);
  for (const char* key : {"source_type", "source_config", "destination_config", "format_type"}) {
    if (request.is_object() && request.contains(key)) j[key] = request[key];
  }
  return j;
}

json processed_file_json(const FileRecord& file) {
  return {{"file_path", file.path},
          {"status", "PROCESSED"},
          {"processed_at", time_or_null(file.processed_at)},
          {"records_ingested", file.rows},
          {"file_size_bytes", file.size_bytes},
          {"file_etag", file.loaded_version.empty() ? file.version : file.loaded_version},
          {"snapshot_id", or_null(file.snapshot_id)}};
}

json schema_json_shape(const Schema& schema) {
  json columns = json::array();
  for (const Field& field : schema.fields) {
    columns.push_back({{"name", field.name}, {"type", field.type ? to_text(*field.type) : "unknown"}, {"required", field.required}});
  }
  return columns;
}

json error_json(const Error& error) {
  json details = json::array();
  if (!error.type.empty()) details.push_back({{"type", error.type}});
  return {{"error", {{"code", to_string(error.code)}, {"message", error.message}, {"details", std::move(details)}}}};
}

}  // namespace sluice
