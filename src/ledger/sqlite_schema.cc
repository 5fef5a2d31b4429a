#include "ledger/sqlite_schema.h"

namespace sluice {
namespace {

constexpr std::string_view kSqliteFirst = R"sql(
CREATE TABLE ledger_meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE ingestions (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,                       -- ACTIVE | PAUSED | DELETED (a tombstone)
  managed_by TEXT NOT NULL,                   -- cli | file | api
  table_name TEXT NOT NULL,                   -- catalog.ns.name
  definition TEXT NOT NULL,                   -- JSON, without secrets
  seq_floor INTEGER NOT NULL DEFAULT 0,       -- batches are numbered above it
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT
);
CREATE UNIQUE INDEX idx_ingestions_label ON ingestions (tenant, name) WHERE managed_by IN ('cli', 'file') AND status <> 'DELETED';

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  ingestion_id TEXT NOT NULL REFERENCES ingestions (id),
  sequence INTEGER NOT NULL UNIQUE,           -- rises over the whole ledger
  trigger_type TEXT NOT NULL,
  status TEXT NOT NULL,
  holder TEXT NOT NULL,
  started_at TEXT NOT NULL,
  completed_at TEXT,
  files_processed INTEGER NOT NULL DEFAULT 0,
  files_failed INTEGER NOT NULL DEFAULT 0,
  files_skipped INTEGER NOT NULL DEFAULT 0,
  files_unchanged INTEGER NOT NULL DEFAULT 0,
  records_written INTEGER NOT NULL DEFAULT 0,
  rows_rescued INTEGER NOT NULL DEFAULT 0,
  rows_rejected INTEGER NOT NULL DEFAULT 0,
  bytes_processed INTEGER NOT NULL DEFAULT 0,
  schema_changes TEXT NOT NULL DEFAULT '[]',  -- JSON array of text
  snapshots TEXT NOT NULL DEFAULT '[]',       -- JSON array of snapshot ids
  error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX idx_runs_ingestion ON runs (ingestion_id, sequence);
CREATE INDEX idx_runs_running ON runs (ingestion_id, holder) WHERE status = 'RUNNING';

CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  ingestion_id TEXT NOT NULL REFERENCES ingestions (id),
  run_id TEXT REFERENCES runs (id),           -- null: named by a table's mark, not made here
  state TEXT NOT NULL,                        -- STAGING | PREPARED | COMMITTED | WITHDRAWING | WITHDRAWN
  tracked INTEGER NOT NULL,
  disowned INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  lease_until TEXT NOT NULL,
  seq INTEGER NOT NULL DEFAULT 0,             -- per ingestion; 0: not prepared
  target TEXT,                                -- JSON
  table_uuid TEXT,
  prepared_record TEXT,                       -- JSON
  files_processed INTEGER NOT NULL DEFAULT 0, -- what confirm adds to the run
  files_failed INTEGER NOT NULL DEFAULT 0,
  files_skipped INTEGER NOT NULL DEFAULT 0,
  files_unchanged INTEGER NOT NULL DEFAULT 0,
  records_written INTEGER NOT NULL DEFAULT 0,
  rows_rescued INTEGER NOT NULL DEFAULT 0,
  rows_rejected INTEGER NOT NULL DEFAULT 0,
  bytes_processed INTEGER NOT NULL DEFAULT 0,
  snapshot_id INTEGER,
  sequence_number INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  finished_at TEXT,
  swept_at TEXT
);
CREATE INDEX idx_batches_ingestion_seq ON batches (ingestion_id, seq);
CREATE INDEX idx_batches_live ON batches (ingestion_id) WHERE state IN ('STAGING', 'PREPARED', 'WITHDRAWING');
CREATE INDEX idx_batches_withdrawn ON batches (ingestion_id) WHERE state = 'WITHDRAWN';

CREATE TABLE processed_files (
  id INTEGER PRIMARY KEY,
  ingestion_id TEXT NOT NULL REFERENCES ingestions (id),
  source_id TEXT NOT NULL,
  run_id TEXT REFERENCES runs (id),           -- that saw or tried it last
  batch_id TEXT REFERENCES batches (id),      -- that claimed it last
  file_path TEXT NOT NULL,
  file_format TEXT NOT NULL DEFAULT '',
  file_size_bytes INTEGER NOT NULL,
  file_modified_at TEXT NOT NULL,
  file_etag TEXT NOT NULL,                    -- version as listed last
  loaded_version TEXT NOT NULL DEFAULT '',
  content_hash TEXT NOT NULL DEFAULT '',      -- of loaded_version
  status TEXT NOT NULL,                       -- DISCOVERED | PROCESSING | SUCCESS | FAILED | SKIPPED
  discovered_at TEXT NOT NULL,
  processing_started_at TEXT,
  processed_at TEXT,
  records_ingested INTEGER NOT NULL DEFAULT 0,
  bytes_read INTEGER NOT NULL DEFAULT 0,
  processing_duration_ms INTEGER NOT NULL DEFAULT 0,
  error_message TEXT NOT NULL DEFAULT '',
  error_type TEXT NOT NULL DEFAULT '',
  error_line INTEGER NOT NULL DEFAULT 0,
  error_byte INTEGER NOT NULL DEFAULT -1,
  retry_count INTEGER NOT NULL DEFAULT 0,     -- attempts, counted when claimed
  worker_deaths INTEGER NOT NULL DEFAULT 0,
  snapshot_id INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
-- Every index costs each file a microsecond per write: five, and each does more than one job. A file has one record per source: the
-- unique one. Claims read the waiting files in path order, and a batch its files, from ingestion_status.
CREATE UNIQUE INDEX idx_processed_files_path ON processed_files (file_path, ingestion_id, source_id);
CREATE INDEX idx_processed_files_ingestion_status ON processed_files (ingestion_id, status, file_path);
CREATE INDEX idx_processed_files_run ON processed_files (run_id);
CREATE INDEX idx_processed_files_status_date ON processed_files (status, processed_at) WHERE processed_at IS NOT NULL;
CREATE INDEX idx_processed_files_merge ON processed_files (ingestion_id, source_id, file_path, file_etag, file_size_bytes);

CREATE TABLE file_attempts (
  id INTEGER PRIMARY KEY,
  ingestion_id TEXT NOT NULL REFERENCES ingestions (id),
  source_id TEXT NOT NULL,
  file_path TEXT NOT NULL,
  file_etag TEXT NOT NULL,
  run_id TEXT REFERENCES runs (id),
  batch_id TEXT REFERENCES batches (id),
  error_type TEXT NOT NULL,
  error_message TEXT NOT NULL,
  error_line INTEGER NOT NULL DEFAULT 0,
  error_byte INTEGER NOT NULL DEFAULT -1,
  attempted_at TEXT NOT NULL
);
CREATE INDEX idx_file_attempts_path ON file_attempts (ingestion_id, file_path);

CREATE TABLE batch_files (                    -- the history, kept in the order in which it is asked for
  batch_id TEXT NOT NULL REFERENCES batches (id),
  file_path TEXT NOT NULL,
  version TEXT NOT NULL,
  piece INTEGER NOT NULL DEFAULT 0,           -- counts the pieces of one file in one batch
  data_file TEXT,                             -- null: the file put no row into the table
  first_row INTEGER NOT NULL DEFAULT 0,
  row_count INTEGER NOT NULL DEFAULT 0,
  forgotten INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (file_path, version, batch_id, piece)
) WITHOUT ROWID;

CREATE TABLE batch_results (                  -- of prepared batches; gone once they took effect
  file_id INTEGER PRIMARY KEY REFERENCES processed_files (id),  -- one live batch holds a file
  batch_id TEXT NOT NULL REFERENCES batches (id),
  outcome TEXT NOT NULL,
  records_ingested INTEGER NOT NULL,
  bytes_read INTEGER NOT NULL,
  processing_duration_ms INTEGER NOT NULL,
  file_format TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  error_type TEXT NOT NULL,
  error_message TEXT NOT NULL,
  error_line INTEGER NOT NULL,
  error_byte INTEGER NOT NULL
);
)sql";

constexpr std::string_view kSqliteService = R"sql(
ALTER TABLE ingestions ADD COLUMN sealed TEXT NOT NULL DEFAULT '';           -- secrets of its sources, encrypted
ALTER TABLE ingestions ADD COLUMN schedule TEXT NOT NULL DEFAULT '';         -- cron, as in the definition
ALTER TABLE ingestions ADD COLUMN timezone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE ingestions ADD COLUMN schedule_from TEXT NOT NULL DEFAULT '';    -- the last firing, or when the schedule began
ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '';                -- JSON: what the run shall do
ALTER TABLE runs ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0;
CREATE INDEX idx_runs_pending ON runs (sequence) WHERE status = 'PENDING';

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  secret_hash TEXT NOT NULL,                  -- SHA-256; the token itself is nowhere
  created_at TEXT NOT NULL,
  revoked_at TEXT
) WITHOUT ROWID;

CREATE TABLE idempotent_requests (
  tenant TEXT NOT NULL,
  request_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  made_id TEXT NOT NULL,                      -- of what the request makes
  status INTEGER NOT NULL DEFAULT 0,          -- of the answer; 0: being carried out
  body TEXT NOT NULL DEFAULT '',
  started_at TEXT NOT NULL,
  PRIMARY KEY (tenant, request_key)
) WITHOUT ROWID;
CREATE INDEX idx_idempotent_requests_started ON idempotent_requests (started_at);
)sql";

constexpr std::string_view kSqliteArchives = R"sql(
ALTER TABLE processed_files ADD COLUMN archive_path TEXT NOT NULL DEFAULT '';  -- of a member: the file that it lies in
)sql";

constexpr std::string_view kSqliteObjectKeys = R"sql(
CREATE TABLE object_keys (                    -- Parquet objects (rule S): a key belongs to one file
  object_key TEXT PRIMARY KEY,              -- URI
  target TEXT NOT NULL,                       -- prefix of the keys of its ingestion
  ingestion_id TEXT NOT NULL REFERENCES ingestions (id),
  file_path TEXT NOT NULL,
  version TEXT NOT NULL,                      -- that was claimed last
  batches TEXT NOT NULL,                      -- that claimed it one after the other, separated by spaces
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX idx_object_keys_ingestion ON object_keys (ingestion_id, target);
)sql";

constexpr std::string_view kSqliteDispositions = R"sql(
ALTER TABLE processed_files ADD COLUMN disposed_version TEXT NOT NULL DEFAULT '';  -- of a file that stays: what was tagged
ALTER TABLE processed_files ADD COLUMN disposed_as TEXT NOT NULL DEFAULT '';       -- done | failed
)sql";

constexpr std::string_view kSqliteHashes = R"sql(
ALTER TABLE batch_files ADD COLUMN content_hash TEXT NOT NULL DEFAULT '';  -- of an earlier version, in its first piece
)sql";

constexpr std::string_view kSqliteTakenOver = R"sql(
CREATE INDEX idx_batches_taken_over ON batches (ingestion_id) WHERE state = 'COMMITTED' AND epoch > 1 AND swept_at IS NULL;
)sql";

constexpr Migration kSqliteMigrations[] = {
    {1, "files, batches, runs, ingestions", kSqliteFirst},
    {2, "service: queue, schedules, sealed secrets, tokens, idempotent requests", kSqliteService},
    {3, "members of archives", kSqliteArchives},
    {4, "keys of Parquet objects", kSqliteObjectKeys},
    {5, "what was disposed of", kSqliteDispositions},
    {6, "content hashes of what the history holds", kSqliteHashes},
    {7, "batches that were taken over and are to be swept", kSqliteTakenOver},
};

}  // namespace

std::span<const Migration> sqlite_ledger_migrations() { return kSqliteMigrations; }

}  // namespace sluice
