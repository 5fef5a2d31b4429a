// Discovery: what the merge reads, and the compare-and-set that records what it found.
#include <fmt/format.h>

#include "ledger/discovery_rules.h"
#include "ledger/sqlite_ledger.h"
#include "ledger/sqlite_rows_together.h"

namespace sluice {
namespace {

class SqliteKnownFiles final : public KnownFiles {
 public:
  /// Paths above `first` and below `end`; an empty end is none.
  static Result<std::unique_ptr<KnownFiles>> open(SqliteReaders& readers, const IngestionId& ingestion, const SourceId& source,
                                                  const std::string& first = {}, const std::string& end = {}) {
    TRY_ASSIGN(auto connection, readers.lend());
    // Every column comes from idx_processed_files_merge, in its order: the table itself is not touched.
    TRY_ASSIGN(auto rows, connection->query("SELECT file_path, file_etag, file_size_bytes FROM processed_files "
                                            "INDEXED BY idx_processed_files_merge "
                                            "WHERE ingestion_id = ?1 AND source_id = ?2 AND file_path > ?3 AND (?4 = '' OR file_path < ?4) "
                                            "ORDER BY file_path",
                                            ingestion.text, source.text, first, end));
    // The first step takes the snapshot that the whole scan sees.
    TRY_ASSIGN(const bool more, rows.next());
    return std::unique_ptr<KnownFiles>(new SqliteKnownFiles(std::move(connection), std::move(rows), more));
  }

  Result<std::optional<KnownFile>> next() override {
    if (!more_) return std::nullopt;
    KnownFile file{.path = rows_.text(0), .version = rows_.text(1), .size_bytes = rows_.integer(2)};
    TRY_ASSIGN(more_, rows_.next());
    return file;
  }

 private:
  SqliteKnownFiles(SqliteReaders::Lent connection, SqliteRows rows, bool more)
      : connection_(std::move(connection)), rows_(std::move(rows)), more_(more) {}

  SqliteReaders::Lent connection_;
  SqliteRows rows_;  // closed before its connection is given back
  bool more_;
};

constexpr size_t kInsertColumns = 18;
constexpr std::string_view kInsert =
    "INSERT INTO processed_files (ingestion_id, source_id, run_id, file_path, file_size_bytes, file_modified_at, file_etag, "
    "loaded_version, status, discovered_at, processed_at, error_type, error_message, created_at, updated_at, archive_path, "
    "records_ingested, content_hash) VALUES";

// Records one chunk of a discovery inside the caller's transaction.
class SqliteRecorder {
 public:
  SqliteRecorder(SqliteConnection& connection, const DiscoverRequest& request, std::string now)
      : connection_(connection), request_(request), now_(std::move(now)) {}

  Result<DiscoverResult> record(std::span<const Seen> files) {
    TRY(look_around());
    for (const Seen& seen : files) TRY(seen.known_version ? change(seen) : add(seen));
    for (NewFiles* added : {&discovered_, &skipped_, &loaded_}) {
      TRY(added->rows.flush());
      result_.*added->count += added->rows.inserted();
      result_.lost_race += added->seen - added->rows.inserted();
    }
    return result_;
  }

 private:
  /// What no file needs to be asked for: a first load has no history, and most ingestions have one source.
  Result<void> look_around() {
    TRY_ASSIGN(auto rows, connection_.query("SELECT EXISTS (SELECT 1 FROM batch_files), "
                                            "EXISTS (SELECT 1 FROM processed_files WHERE ingestion_id = ?1 AND source_id < ?2) OR "
                                            "EXISTS (SELECT 1 FROM processed_files WHERE ingestion_id = ?1 AND source_id > ?2)",
                                            request_.ingestion.text, request_.source.text));
    TRY(rows.next());
    history_ = rows.integer(0) != 0;
    other_sources_ = rows.integer(1) != 0;
    return {};
  }

  Result<std::optional<PastLoad>> past_load(const ListedFile& file, const std::string& sql) {
    if (!history_) return std::nullopt;
    TRY_ASSIGN(auto rows, connection_.query(sql, file.path, file.version, request_.ingestion.text));
    TRY_ASSIGN(const bool found, rows.next());
    if (!found) return std::nullopt;
    return PastLoad{rows.text(0), rows.integer(1), rows.text(2)};
  }

  /// Files that were not known and take the same state.
  struct NewFiles {
    SqliteRowsTogether rows;
    int64_t DiscoverResult::* count;  ///< where those are counted that nobody else recorded before us
    int64_t seen = 0;
  };
  NewFiles new_files(int64_t DiscoverResult::* count) const {
    return {.rows = {connection_, kInsert, kInsertColumns, " ON CONFLICT DO NOTHING"}, .count = count};
  }

  Result<void> add(const Seen& seen) {
    if (other_sources_) {
      TRY_ASSIGN(const bool elsewhere, settle_elsewhere(seen));
      if (elsewhere) return {};
    }
    TRY_ASSIGN(const auto past, past_load(seen.file, any_version_));
    const Decision decision = decide({}, past, seen, request_.on_change);
    const FileState state = state_after(decision.change);
    NewFiles& added = state == FileState::kSuccess ? loaded_ : state == FileState::kSkipped ? skipped_ : discovered_;
    ++added.seen;
    const bool skipped = state == FileState::kSkipped;
    const ListedFile& file = seen.file;
    return added.rows.add(request_.ingestion.text, request_.source.text, run(), file.path, file.size_bytes, to_text(file.modified_at),
                          file.version, past ? past->version : std::string(), to_string(state), now_,
                          state == FileState::kDiscovered ? std::nullopt : std::optional(now_), skipped ? seen.skip_reason : std::string(),
                          skipped ? seen.skip_message : std::string(), now_, now_, request_.archive, past ? past->rows : 0,
                          past ? past->hash : std::string());
  }

  Result<void> change(const Seen& seen) {
    TRY_ASSIGN(auto rows, connection_.query("SELECT id, status, loaded_version FROM processed_files "
                                            "WHERE ingestion_id = ? AND source_id = ? AND file_path = ? AND file_etag = ?",
                                            request_.ingestion.text, request_.source.text, seen.file.path, *seen.known_version));
    TRY_ASSIGN(const bool found, rows.next());
    if (found) return settle(rows, seen);
    ++result_.lost_race;
    return {};
  }

  /// False: no other source has it.
  Result<bool> settle_elsewhere(const Seen& seen) {
    TRY_ASSIGN(auto rows, connection_.query("SELECT id, status, loaded_version, file_etag, source_id FROM processed_files "
                                            "WHERE file_path = ?1 AND ingestion_id = ?2 ORDER BY source_id = ?3 DESC LIMIT 1",
                                            seen.file.path, request_.ingestion.text, request_.source.text));
    TRY_ASSIGN(const bool found, rows.next());
    if (!found || rows.text_view(4) == request_.source.text) return false;
    if (rows.text_view(3) == seen.file.version) {
      result_.add_elsewhere(seen);
    } else {
      TRY(settle(rows, seen));
    }
    return true;
  }

  /// `row` is the record: id, status, loaded_version.
  Result<void> settle(const SqliteRows& row, const Seen& seen) {
    const auto state = parse_file_state(row.text_view(1));
    if (!state) return fail(ErrorCode::kCorruption, fmt::format("{} has the unknown state '{}'", seen.file.path, row.text_view(1)));
    const KnownRecord known{row.integer(0), *state, row.text(2)};
    const bool any_version = request_.replaces || known.loaded_version.empty();
    TRY_ASSIGN(const auto past, past_load(seen.file, any_version ? any_version_ : this_version_));
    const Decision decision = decide(known, past, seen, request_.on_change);
    switch (decision.change) {
      case Change::kNone: ++result_.lost_race; return {};
      case Change::kDiscover: ++result_.changed; break;
      case Change::kSkip: ++result_.skipped; break;
      case Change::kKeepLoaded: ++result_.ignored; break;
    }
    return move(known, seen, decision);
  }

  /// The new version begins with a clean slate: no attempts, no error. What was loaded stays written down.
  Result<void> move(const KnownRecord& known, const Seen& seen, const Decision& decision) {
    const bool skipped = decision.change == Change::kSkip;
    TRY(connection_.execute(
        "UPDATE processed_files SET file_etag = ?2, file_size_bytes = ?3, file_modified_at = ?4, status = ?5, run_id = ?6, "
        "error_type = ?7, error_message = ?8, error_line = 0, error_byte = -1, retry_count = 0, worker_deaths = 0, "
        "discovered_at = CASE ?5 WHEN 'DISCOVERED' THEN ?9 ELSE discovered_at END, "
        "processed_at = CASE ?5 WHEN 'SKIPPED' THEN ?9 WHEN 'SUCCESS' THEN COALESCE(processed_at, ?9) ELSE processed_at END, "
        "updated_at = ?9, archive_path = ?10, source_id = ?11 WHERE id = ?1",
        known.id, seen.file.version, seen.file.size_bytes, to_text(seen.file.modified_at), to_string(state_after(decision.change)), run(),
        skipped ? seen.skip_reason : std::string(), skipped ? seen.skip_message : std::string(), now_, request_.archive,
        request_.source.text));
    if (!decision.loaded) return {};
    // What the record says of the version between goes into the history, for that one may come back, too.
    TRY(connection_.execute(
        "UPDATE batch_files SET content_hash = (SELECT content_hash FROM processed_files WHERE id = ?1) WHERE file_path = ?2 AND "
        "version = ?3 AND piece = 0 AND content_hash = '' AND "
        "EXISTS (SELECT 1 FROM batches b WHERE b.id = batch_files.batch_id AND b.ingestion_id = ?4)",
        known.id, seen.file.path, known.loaded_version, request_.ingestion.text));
    TRY(connection_.execute("UPDATE processed_files SET loaded_version = ?2, records_ingested = ?3, content_hash = ?4 WHERE id = ?1",
                            known.id, decision.loaded->version, decision.loaded->rows, decision.loaded->hash));
    return {};
  }

  std::optional<std::string> run() const { return request_.run.empty() ? std::nullopt : std::optional(request_.run.text); }

  SqliteConnection& connection_;
  const DiscoverRequest& request_;
  const std::string now_;
  NewFiles discovered_ = new_files(&DiscoverResult::added);
  NewFiles skipped_ = new_files(&DiscoverResult::skipped);
  NewFiles loaded_ = new_files(&DiscoverResult::ignored);
  const std::string any_version_ = past_load_sql("?1", "?2", "?3", request_.replaces);
  const std::string this_version_ = past_load_sql("?1", "?2", "?3", request_.replaces, " AND f.version = ?2");
  bool history_ = true;        // there are committed loads, of whatever ingestion
  bool other_sources_ = true;  // of this ingestion have records
  DiscoverResult result_;
};

}  // namespace

Result<std::unique_ptr<KnownFiles>> SqliteLedger::known_files(const IngestionId& ingestion, const SourceId& source) {
  auto opened = SqliteKnownFiles::open(readers_, ingestion, source);
  if (!opened) return std::unexpected(opened.error().within("reading the known files"));
  return opened;
}

Result<std::unique_ptr<KnownFiles>> SqliteLedger::known_members(const IngestionId& ingestion, const SourceId& source,
                                                                const std::string& archive) {
  const auto [first, end] = member_range(archive);
  auto opened = SqliteKnownFiles::open(readers_, ingestion, source, first, end);
  if (!opened) return std::unexpected(opened.error().within("reading the known members"));
  return opened;
}

Result<DiscoverResult> SqliteLedger::record_discovered(const DiscoverRequest& request, std::span<const Seen> files) {
  if (files.empty()) return DiscoverResult{};
  return write("recording discovered files", [&](SqlConnection& db) -> Result<DiscoverResult> {
    TRY(note_archive_format(db, request));
    return SqliteRecorder(*writer_, request, now_text(db)).record(files);
  });
}

}  // namespace sluice
