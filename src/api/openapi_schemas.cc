#include "api/openapi_schemas.h"

namespace sluice {

const std::string_view kSchemasJson = R"json({
"Document": {"type": "object"},
"Empty": {"type": "object", "properties": {}, "additionalProperties": false},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "enum": ["ok"]}}},
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["code", "message", "details"],
  "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "array", "items": {"type": "object"}}}}}},
"Check": {"type": "object", "required": ["check", "ok", "message"],
  "properties": {"check": {"type": "string"}, "ok": {"type": "boolean"}, "message": {"type": "string"}}},
"CheckList": {"type": "object", "required": ["ok", "checks"],
  "properties": {"ok": {"type": "boolean"}, "checks": {"type": "array", "items": {"$ref": "#/components/schemas/Check"}}}},

"Text": {"type": "string", "maxLength": 1000},
"SourceConfig": {"type": "object", "additionalProperties": false, "properties": {
  "bucket": {"type": ["string", "null"], "maxLength": 255, "description": "S3"},
  "path": {"type": ["string", "null"], "maxLength": 2000, "description": "a prefix in the bucket, or an absolute folder"},
  "file_pattern": {"type": ["string", "null"], "maxLength": 2000, "description": "a glob below path; * does not cross /, ** does; without one: everything below"},
  "access_key": {"type": ["string", "null"], "maxLength": 1000},
  "secret_key": {"type": ["string", "null"], "maxLength": 1000},
  "session_token": {"type": ["string", "null"], "maxLength": 10000},
  "endpoint": {"type": ["string", "null"], "maxLength": 1000},
  "region": {"type": ["string", "null"], "maxLength": 100},
  "path_style": {"type": ["boolean", "null"]}}},
"DestinationConfig": {"type": "object", "required": ["database", "table"], "additionalProperties": false, "properties": {
  "catalog": {"type": ["string", "null"], "maxLength": 200},
  "database": {"type": "string", "minLength": 1, "maxLength": 500, "description": "the namespace, levels separated by dots; made by the first load"},
  "table": {"type": "string", "minLength": 1, "maxLength": 200}}},
"Csv": {"type": ["object", "null"], "additionalProperties": false, "properties": {
  "delimiter": {"type": "string", "minLength": 1, "maxLength": 3}, "quote": {"type": "string", "minLength": 1, "maxLength": 4},
  "escape": {"type": "string", "minLength": 1, "maxLength": 4}, "header": {"type": "boolean"},
  "encoding": {"$ref": "#/components/schemas/Encoding"}, "decimal": {"type": "string", "enum": [".", ","]},
  "comment": {"type": "string", "minLength": 1, "maxLength": 4}, "skip": {"type": "integer", "minimum": 0, "maximum": 1000000000},
  "null_tokens": {"type": "array", "maxItems": 100, "items": {"$ref": "#/components/schemas/Text"}}}},
"Encoding": {"type": "string", "enum": ["auto", "utf-8", "utf-16", "utf-16le", "utf-16be", "latin-1", "windows-1252"]},
"TextFormat": {"type": ["object", "null"], "additionalProperties": false, "properties": {
  "pattern": {"type": "string", "maxLength": 10000, "description": "a regular expression; its named groups are the columns"},
  "encoding": {"$ref": "#/components/schemas/Encoding"}}},
"Disposition": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "keep, delete, tag (S3), or move: and an absolute folder or s3://BUCKET/PREFIX"},
"Sql": {"type": ["object", "null"], "additionalProperties": false, "properties": {
  "table": {"type": "string", "maxLength": 1000, "description": "of a dump; without it: the only one with rows"},
  "dialect": {"type": "string", "enum": ["auto", "postgresql", "mysql", "sqlite"]}}},
"FormatType": {"type": ["string", "null"], "minLength": 1, "maxLength": 20, "description": "AUTO, JSON, CSV: a format of sluice.yaml, in any case"},
"Source": {"type": "object", "required": ["id", "source_type", "source_config"], "additionalProperties": false, "properties": {
  "id": {"type": "string", "minLength": 1, "maxLength": 100},
  "source_type": {"type": "string", "enum": ["S3", "LOCAL"]},
  "source_config": {"$ref": "#/components/schemas/SourceConfig"},
  "format_type": {"$ref": "#/components/schemas/FormatType"},
  "csv": {"$ref": "#/components/schemas/Csv"},
  "text": {"$ref": "#/components/schemas/TextFormat"},
  "sql": {"$ref": "#/components/schemas/Sql"},
  "json": {"type": ["object", "null"]},
  "source_system": {"type": ["string", "null"], "maxLength": 200}}},
"IngestionRequest": {"type": "object", "required": ["name", "destination_config"], "additionalProperties": false, "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 200},
  "source_type": {"type": "string", "enum": ["S3", "LOCAL"]},
  "source_config": {"$ref": "#/components/schemas/SourceConfig"},
  "sources": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/components/schemas/Source"}},
  "destination_config": {"$ref": "#/components/schemas/DestinationConfig"},
  "format_type": {"$ref": "#/components/schemas/FormatType"},
  "schedule": {"type": ["string", "null"], "maxLength": 256, "description": "cron, five fields"},
  "timezone": {"type": ["string", "null"], "maxLength": 100},
  "tenant_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
  "cluster_id": {"type": ["string", "null"], "maxLength": 200},
  "csv": {"$ref": "#/components/schemas/Csv"},
  "text": {"$ref": "#/components/schemas/TextFormat"},
  "sql": {"$ref": "#/components/schemas/Sql"},
  "json": {"type": ["object", "null"]},
  "source_system": {"type": ["string", "null"], "maxLength": 200},
  "partition_by": {"type": ["array", "null"], "maxItems": 100, "items": {"$ref": "#/components/schemas/Text"}},
  "table_properties": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/components/schemas/Text"}},
  "schema": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "mode": {"type": "string", "enum": ["evolve", "fixed", "rescue", "approve"]}, "contract": {"type": ["string", "null"], "maxLength": 2000},
    "validate": {"type": "boolean"}, "strict_mode": {"type": "boolean"}, "hive_partitioning": {"type": "boolean"},
    "columns": {"type": ["array", "null"], "maxItems": 4096, "items": {"$ref": "#/components/schemas/ColumnDefinition"}},
    "infer": {"type": "object", "additionalProperties": false, "properties": {"timestamps": {"type": "boolean"}, "numbers": {"type": "string", "enum": ["auto", "double"]}}}}},
  "on_change": {"type": ["string", "null"], "enum": ["append", "ignore", "fail", null]},
  "on_bad_row": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "action": {"type": "string", "enum": ["fail", "skip"]}, "max": {"type": ["string", "integer"], "minimum": 0, "maxLength": 20}}},
  "tracking": {"type": "boolean"},
  "ready": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "min_age": {"type": "string", "maxLength": 50}, "marker": {"type": ["string", "null"], "maxLength": 1000},
    "ignore": {"type": "array", "maxItems": 100, "items": {"$ref": "#/components/schemas/Text"}}, "modified_after": {"type": ["string", "null"], "maxLength": 50}}},
  "archives": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "members": {"type": "array", "maxItems": 100, "items": {"$ref": "#/components/schemas/Text"}}, "nested": {"type": "boolean"}}},
  "disposition": {"type": ["object", "null"], "additionalProperties": false, "description": "what becomes of files after the load", "properties": {
    "done": {"$ref": "#/components/schemas/Disposition"}, "failed": {"$ref": "#/components/schemas/Disposition"}}},
  "start_from": {"type": ["string", "null"], "maxLength": 50, "description": "now, or a time: earlier files are SKIPPED"},
  "batch": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "files_max": {"type": "integer", "minimum": 1, "maximum": 1000000000}, "bytes_max": {"type": ["string", "integer"], "minimum": 1, "maxLength": 30}}},
  "run": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "files_max": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000000}, "order": {"type": "string", "enum": ["name", "time"]}}},
  "retry": {"type": ["object", "null"], "additionalProperties": false, "properties": {"attempts_max": {"type": "integer", "minimum": 1, "maximum": 1000}}},
  "metadata_columns": {"type": ["array", "null"], "maxItems": 10, "items": {"$ref": "#/components/schemas/Text"}}}},
"ColumnDefinition": {"type": "object", "required": ["name"], "additionalProperties": false, "description": "a column of the table and what it is made from", "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 1000}, "from": {"type": "string", "maxLength": 1000, "description": "the field of the files"},
  "type": {"type": "string", "maxLength": 10000, "description": "as in a contract"}, "value": {"$ref": "#/components/schemas/Scalar"},
  "path_pattern": {"type": "string", "maxLength": 10000, "description": "a regular expression found in the file's path; its first group is the value"},
  "json": {"type": "boolean", "description": "kept as JSON text"},
  "check": {"type": "object", "additionalProperties": false, "properties": {
    "required": {"type": "boolean"}, "min": {"$ref": "#/components/schemas/Scalar"}, "max": {"$ref": "#/components/schemas/Scalar"},
    "in": {"type": "array", "maxItems": 10000, "items": {"$ref": "#/components/schemas/Scalar"}}, "pattern": {"type": "string", "maxLength": 10000}}}}},
"Scalar": {"type": ["string", "number", "boolean"], "maxLength": 10000},
"IngestionPatch": {"type": "object", "description": "members of IngestionRequest but tenant_id; null removes"},
"FilesRequest": {"type": "object", "required": ["files"], "additionalProperties": false, "properties": {
  "files": {"type": "array", "minItems": 1, "maxItems": 10000, "items": {"type": "string", "minLength": 1, "maxLength": 2000}}}},
"RetryRequest": {"type": "object", "additionalProperties": false, "properties": {
  "files": {"type": ["array", "null"], "maxItems": 10000, "items": {"type": "string", "minLength": 1, "maxLength": 2000}}}},
"ApproveRequest": {"type": "object", "additionalProperties": false, "properties": {
  "changes": {"type": ["array", "null"], "maxItems": 10000, "items": {"type": "string", "minLength": 1, "maxLength": 100000}}}},

"Time": {"type": ["string", "null"], "description": "RFC 3339 in UTC with microseconds"},
"Total": {"type": "integer", "minimum": 0},
"Cursor": {"type": ["string", "null"], "description": "of the next page; null: this is the last"},
"Ingestion": {"type": "object", "required": ["ingestion_id", "id", "name", "status", "tenant_id", "managed_by", "sources", "table", "schedule", "next_run_at"],
  "properties": {
    "ingestion_id": {"type": "string"}, "id": {"type": "string"}, "name": {"type": "string"},
    "status": {"type": "string", "enum": ["ACTIVE", "PAUSED", "DELETED"]}, "tenant_id": {"type": "string"},
    "cluster_id": {"type": ["string", "null"]}, "managed_by": {"type": "string", "enum": ["cli", "file", "api"]},
    "sources": {"type": "array", "items": {"type": "object"}}, "table": {"type": "object"}, "schedule": {"type": ["string", "null"]},
    "timezone": {"type": "string"}, "next_run_at": {"$ref": "#/components/schemas/Time"},
    "waiting_for_approval": {"type": "array", "description": "of one ingestion alone, not in lists", "items": {"$ref": "#/components/schemas/Waiting"}}}},
"Waiting": {"type": "object", "required": ["changes", "files"], "properties": {"changes": {"type": "string"}, "files": {"type": "integer"}}},
"IngestionList": {"type": "object", "required": ["ingestions", "total", "next_cursor"], "properties": {
  "ingestions": {"type": "array", "items": {"$ref": "#/components/schemas/Ingestion"}}, "total": {"$ref": "#/components/schemas/Total"},
  "next_cursor": {"$ref": "#/components/schemas/Cursor"}}},
"RunMetrics": {"type": "object", "required": ["files_processed", "files_failed", "files_skipped", "files_unchanged", "records_written", "rows_rescued",
  "rows_rejected", "bytes_processed"], "additionalProperties": {"type": "integer"}},
"Run": {"type": "object", "required": ["run_id", "id", "ingestion_id", "status", "trigger", "started_at", "completed_at", "duration_seconds",
  "files_processed", "metrics", "schema_changes", "snapshots", "error"], "properties": {
    "run_id": {"type": "string"}, "id": {"type": "string"}, "ingestion_id": {"type": "string"},
    "status": {"type": "string", "enum": ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]},
    "trigger": {"type": "string", "enum": ["manual", "schedule", "cli", "retry"]},
    "started_at": {"$ref": "#/components/schemas/Time"}, "completed_at": {"$ref": "#/components/schemas/Time"},
    "duration_seconds": {"type": ["number", "null"]}, "files_processed": {"type": "integer"}, "metrics": {"$ref": "#/components/schemas/RunMetrics"},
    "schema_changes": {"type": "array", "items": {"type": "string"}}, "snapshots": {"type": "array", "items": {"type": "integer"}},
    "error": {"type": ["string", "null"]}}},
"RunList": {"type": "object", "required": ["runs", "total", "next_cursor"], "properties": {
  "runs": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}}, "total": {"$ref": "#/components/schemas/Total"},
  "next_cursor": {"$ref": "#/components/schemas/Cursor"}}},
"File": {"type": "object", "required": ["file_path", "source_id", "status", "attempts", "error_type", "error_message", "line", "byte"], "properties": {
  "file_path": {"type": "string"}, "source_id": {"type": "string"}, "archive": {"type": ["string", "null"], "description": "of a member: the file that it lies in"},
  "status": {"type": "string", "enum": ["DISCOVERED", "PROCESSING", "SUCCESS", "FAILED", "SKIPPED"]}, "attempts": {"type": "integer"},
  "error_type": {"type": ["string", "null"]}, "error_message": {"type": ["string", "null"]}, "line": {"type": ["integer", "null"]},
  "byte": {"type": ["integer", "null"]}}},
"FileList": {"type": "object", "required": ["files", "total", "next_cursor"], "properties": {
  "files": {"type": "array", "items": {"$ref": "#/components/schemas/File"}}, "total": {"$ref": "#/components/schemas/Total"},
  "next_cursor": {"$ref": "#/components/schemas/Cursor"}}},
"ProcessedFile": {"type": "object", "required": ["file_path", "status", "processed_at", "records_ingested", "file_size_bytes", "file_etag", "snapshot_id"],
  "properties": {"file_path": {"type": "string"}, "status": {"type": "string", "enum": ["PROCESSED"]}, "processed_at": {"$ref": "#/components/schemas/Time"},
    "records_ingested": {"type": "integer"}, "file_size_bytes": {"type": "integer"}, "file_etag": {"type": "string"},
    "snapshot_id": {"type": ["integer", "null"]}}},
"ProcessedFileList": {"type": "object", "required": ["processed_files", "total", "next_cursor"], "properties": {
  "processed_files": {"type": "array", "items": {"$ref": "#/components/schemas/ProcessedFile"}}, "total": {"$ref": "#/components/schemas/Total"},
  "next_cursor": {"$ref": "#/components/schemas/Cursor"}}}
})json";

}  // namespace sluice
