// Questions people ask the ledger. Read only, thread-safe; pages are bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "model/batch.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "model/run.h"

namespace sluice {

struct FilesQuery {
  IngestionId ingestion;
  std::optional<FileState> state;
  std::string path;              ///< exact; empty: any
  bool by_processed_at = false;  ///< oldest first, only files that were processed once; else all, by path
  int64_t limit = 1000;
  std::string cursor;  ///< FilePage::next_cursor of the page before
};
struct FilePage {
  std::vector<FileRecord> files;
  std::string next_cursor;  ///< empty: the last page
  int64_t total = 0;
};

struct IngestionsQuery {
  std::string tenant;  ///< empty: of all
  std::string name;    ///< exact; empty: any
  std::string status;  ///< empty: any but DELETED
  int64_t limit = 1000;
  std::string cursor;  ///< IngestionPage::next_cursor of the page before
};
struct IngestionPage {
  std::vector<Ingestion> ingestions;  ///< by name, in byte order, then by id
  std::string next_cursor;            ///< empty: the last page
  int64_t total = 0;                  ///< of all pages
};

struct RunsQuery {
  IngestionId ingestion;
  int64_t limit = 1000;
  int64_t before_sequence = 0;  ///< older ones only: RunRecord::sequence of the last run of the page before; 0: from the latest
};

struct FileAttempt {
  std::string path, version, run_id, error_type, error_message;
  int64_t line = 0, byte = -1;
  Timestamp at;
};

struct FileLoad {  ///< one row of batch_files
  std::string path, version;
  BatchId batch;
  std::optional<int64_t> snapshot_id;
  RowRange range;
};

/// Schema mode approve: files that wait for the same changes of the table.
struct WaitingFiles {
  std::string changes;  ///< "add column city string; widen id int -> long"
  int64_t files = 0;
  BatchId first_batch;  ///< the oldest batch that read one of them
};

class History {
 public:
  virtual ~History() = default;
  virtual Result<FilePage> files(const FilesQuery& query) = 0;
  virtual Result<IngestionPage> ingestion_page(const IngestionsQuery& query) = 0;
  /// Every file in one read of the ledger, by path: states that belong together. An Error of `visit` ends it.
  /// It must not ask the ledger.
  virtual Result<void> visit_files(const IngestionId& ingestion, const std::function<Result<void>(const FileRecord&)>& visit) = 0;
  virtual Result<FileCounts> file_counts(const IngestionId& ingestion) = 0;
  virtual Result<std::vector<WaitingFiles>> waiting_for_approval(const IngestionId& ingestion) = 0;
  virtual Result<std::vector<FileAttempt>> attempts(const IngestionId& ingestion, std::string_view path) = 0;
  /// Of every version that was loaded, in the order of their batches.
  virtual Result<std::vector<FileLoad>> loads(const IngestionId& ingestion, std::string_view path) = 0;
  virtual Result<std::vector<RunRecord>> runs(const RunsQuery& query) = 0;  ///< latest first
  virtual Result<int64_t> run_count(const IngestionId& ingestion) = 0;
  virtual Result<std::optional<RunRecord>> run(std::string_view run_id) = 0;
  virtual Result<std::vector<BatchRecord>> batches(const IngestionId& ingestion, int64_t limit) = 0;  ///< latest first
};

}  // namespace sluice
