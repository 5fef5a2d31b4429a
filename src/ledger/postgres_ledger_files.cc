// What the PostgreSQL ledger does to many files at once: a few statements over arrays, never one per file.
#include <fmt/format.h>

#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "ledger/discovery_rules.h"
#include "ledger/postgres_ledger.h"

namespace sluice {
namespace {

constexpr int kFetchRows = 5'000;
constexpr std::chrono::seconds kReopenEvery{1};
// An index entry holds at most 2,704 bytes; names beyond the bound of file.h are never loaded, only recorded.
constexpr size_t kStoredNameBytesMax = 1'900;

/// A path as it is stored: whole, or the beginning of one that is too long, told apart by a number made of all of it.
std::string stored_name(const std::string& path) {
  if (path.size() <= kFilePathBytesMax) return path;
  return fmt::format("{}...#{:016x}", path.substr(0, kStoredNameBytesMax), std::hash<std::string>()(path));
}

/// A cursor of the server in a transaction of its own: one state, and no more than kFetchRows in memory. When the server restarts
/// meanwhile, it goes on behind the last path in the state of then: what discovery records is compared with the present anyway.
class PostgresKnownFiles final : public KnownFiles {
 public:
  /// Paths above `first` and below `end`; an empty end is none.
  static Result<std::unique_ptr<KnownFiles>> open(PostgresOptions options, const IngestionId& ingestion, const SourceId& source,
                                                  const std::string& first = {}, const std::string& end = {}) {
    options.patient = true;  // a listing may keep us waiting between two fetches
    std::unique_ptr<PostgresKnownFiles> files(new PostgresKnownFiles(std::move(options), ingestion, source, first, end));
    TRY(files->declare());
    TRY(files->fetch());
    return files;
  }

  Result<std::optional<KnownFile>> next() override {
    if (ahead_.empty() && !ended_) TRY(fetch());
    if (ahead_.empty()) return std::nullopt;
    KnownFile file = std::move(ahead_.front());
    ahead_.pop_front();
    return file;
  }

 private:
  PostgresKnownFiles(PostgresOptions options, IngestionId ingestion, SourceId source, std::string first, std::string end)
      : options_(std::move(options)),
        ingestion_(std::move(ingestion)),
        source_(std::move(source)),
        end_(std::move(end)),
        last_(std::move(first)) {}

  /// Opens the cursor, and with it the state that it sees.
  Result<void> declare() {
    TRY_ASSIGN(connection_, PostgresConnection::open(options_));
    TRY(connection_->run_script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    TRY(
        connection_->execute("DECLARE known NO SCROLL CURSOR FOR SELECT file_path, file_etag, file_size_bytes FROM processed_files "
                             "WHERE ingestion_id = ?1 AND source_id = ?2 AND file_path > ?3 AND (?4 = '' OR file_path < ?4) ORDER BY "
                             "file_path",
                             ingestion_.text, source_.text, last_, end_));
    return {};
  }

  Result<void> fetch() {
    auto fetched = fetch_once();
    SystemClock clock;
    for (auto left = kPostgresOutageMax; !fetched && connection_->lost() && left.count() > 0; left -= kReopenEvery) {
      if (!clock.sleep(kReopenEvery, options_.stop)) break;
      const auto again = declare();
      if (!again && again.error().code != ErrorCode::kUnavailable) return again;
      if (again) fetched = fetch_once();
    }
    return fetched;
  }

  Result<void> fetch_once() {
    TRY_ASSIGN(auto rows, connection_->query(fmt::format("FETCH FORWARD {} FROM known", kFetchRows)));
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      ahead_.push_back({.path = rows.text(0), .version = rows.text(1), .size_bytes = rows.integer(2)});
    }
    ended_ = ahead_.size() < static_cast<size_t>(kFetchRows);
    if (!ahead_.empty()) last_ = ahead_.back().path;
    return {};
  }

  const PostgresOptions options_;
  const IngestionId ingestion_;
  const SourceId source_;
  const std::string end_;
  std::unique_ptr<PostgresConnection> connection_;
  std::deque<KnownFile> ahead_;
  std::string last_;
  bool ended_ = false;
};

/// Files of one discovery, as they are asked for.
struct SeenColumns {
  PostgresArray paths, versions, known, sources, numbers;
  int64_t count = 0;

  /// `known` and `source` are the record's where there is one.
  void add(const Seen& seen, size_t number, const std::string& known_version = {}, const std::string& source = {}) {
    paths.add(stored_name(seen.file.path));
    versions.add(seen.file.version);
    known.add(known_version);
    sources.add(source);
    numbers.add(static_cast<int64_t>(number));
    ++count;
  }
};

/// What becomes of them.
struct DecidedColumns {
  PostgresArray ids, paths, versions, sizes, times, states, reasons, messages, loaded, rows, hashes;
  int64_t count = 0;
  int64_t returned = 0;  ///< of them versions that the history has

  /// `past` is what the record says to be loaded; nullopt: what it said before.
  void add(int64_t id, const Seen& seen, Change to, const std::optional<PastLoad>& past) {
    const bool skipped = to == Change::kSkip;
    ids.add(id);
    paths.add(stored_name(seen.file.path));
    versions.add(seen.file.version);
    sizes.add(seen.file.size_bytes);
    times.add(to_text(seen.file.modified_at));
    states.add(to_string(state_after(to)));
    reasons.add(skipped ? std::string_view(seen.skip_reason) : "");
    messages.add(skipped ? std::string_view(seen.skip_message) : "");
    past ? loaded.add(past->version) : loaded.add_null();
    past ? rows.add(past->rows) : rows.add_null();
    past ? hashes.add(past->hash) : hashes.add_null();
    returned += past.has_value();
    ++count;
  }
};

/// Records one chunk of a discovery inside the caller's transaction.
class PostgresRecorder {
 public:
  PostgresRecorder(SqlConnection& db, const DiscoverRequest& request, std::span<const Seen> files, std::string now)
      : db_(db), request_(request), files_(files), now_(std::move(now)) {}

  Result<DiscoverResult> record() {
    TRY(look_around());
    if (other_sources_) TRY(find_elsewhere());
    for (size_t i = 0; i < files_.size(); ++i) {
      const Seen& seen = files_[i];
      if (elsewhere_.contains(i)) continue;
      seen.known_version ? changed_.add(seen, i, *seen.known_version, request_.source.text) : fresh_.add(seen, i);
    }
    if (fresh_.count > 0) TRY(add());
    if (changed_.count > 0) TRY(change());
    return result_;
  }

 private:
  /// What no file needs to be asked for: a first load has no history, and most ingestions have one source. Discoveries of an ingestion
  /// go one after the other, so that two sources do not both take a path for theirs.
  Result<void> look_around() {
    TRY(db_.query("SELECT pg_advisory_xact_lock(hashtextextended(?1, 0))", "sluice discovery " + request_.ingestion.text));
    TRY_ASSIGN(auto rows, db_.query("SELECT EXISTS (SELECT 1 FROM batch_files), "
                                    "EXISTS (SELECT 1 FROM processed_files WHERE ingestion_id = ?1 AND source_id < ?2) OR "
                                    "EXISTS (SELECT 1 FROM processed_files WHERE ingestion_id = ?1 AND source_id > ?2)",
                                    request_.ingestion.text, request_.source.text));
    TRY(rows.next());
    history_ = rows.integer(0) != 0;
    other_sources_ = rows.integer(1) != 0;
    return {};
  }

  /// Files that are new to this source, but not to the ingestion: at another version they have changed.
  Result<void> find_elsewhere() {
    SeenColumns unknown;
    for (size_t i = 0; i < files_.size(); ++i) {
      if (!files_[i].known_version) unknown.add(files_[i], i);
    }
    TRY_ASSIGN(auto rows, db_.query("SELECT DISTINCT ON (s.number) s.number, p.file_etag, p.source_id FROM unnest(CAST(?3 AS text[]), "
                                    "CAST(?4 AS bigint[])) AS s (path, number) JOIN processed_files p ON p.file_path = s.path AND "
                                    "p.ingestion_id = ?1 AND p.source_id <> ?2 WHERE NOT EXISTS (SELECT 1 FROM processed_files o WHERE "
                                    "o.ingestion_id = ?1 AND o.source_id = ?2 AND o.file_path = s.path) ORDER BY s.number, p.source_id",
                                    request_.ingestion.text, request_.source.text, unknown.paths.text(), unknown.numbers.text()));
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return {};
      const auto number = static_cast<size_t>(rows.integer(0));
      elsewhere_.insert(number);
      if (rows.text_view(1) == files_[number].file.version) {
        result_.add_elsewhere(files_[number]);
      } else {
        changed_.add(files_[number], number, rows.text(1), rows.text(2));
      }
    }
  }

  /// Of the files without a record, by their numbers.
  Result<std::unordered_map<size_t, PastLoad>> past_loads() {
    std::unordered_map<size_t, PastLoad> past;
    if (!history_) return past;
    const std::string sql = fmt::format(
        "SELECT s.number, past.version, past.row_count, past.content_hash FROM unnest(CAST(?2 AS text[]), CAST(?3 AS text[]), CAST(?4 AS "
        "bigint[])) AS s "
        "(path, version, number) CROSS JOIN LATERAL ({}) AS past",
        past_load_sql("s.path", "s.version", "?1", request_.replaces));
    TRY_ASSIGN(auto rows, db_.query(sql, request_.ingestion.text, fresh_.paths.text(), fresh_.versions.text(), fresh_.numbers.text()));
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return past;
      past.emplace(static_cast<size_t>(rows.integer(0)), PastLoad{rows.text(1), rows.integer(2), rows.text(3)});
    }
  }

  Result<void> add() {
    TRY_ASSIGN(const auto past, past_loads());
    DecidedColumns added;
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].known_version || elsewhere_.contains(i)) continue;
      const auto found = past.find(i);
      const auto load = found == past.end() ? std::nullopt : std::optional(found->second);
      added.add(0, files_[i], decide({}, load, files_[i], request_.on_change).change, load);
    }
    TRY_ASSIGN(
        auto rows,
        db_.query(
            "WITH added AS (INSERT INTO processed_files (ingestion_id, source_id, run_id, file_path, file_size_bytes, file_modified_at, "
            "file_etag, loaded_version, status, discovered_at, processed_at, error_type, error_message, created_at, updated_at, "
            "archive_path, records_ingested, content_hash) SELECT ?1, ?2, ?3, n.path, n.size, n.modified, n.version, COALESCE(n.loaded, "
            "''), n.state, "
            "CAST(?4 AS timestamptz), CASE n.state WHEN 'DISCOVERED' THEN NULL ELSE CAST(?4 AS timestamptz) END, n.reason, n.message, "
            "CAST(?4 AS timestamptz), CAST(?4 AS timestamptz), ?5, COALESCE(n.row_count, 0), COALESCE(n.hash, '') FROM unnest(CAST(?6 AS "
            "text[]), "
            "CAST(?7 AS text[]), CAST(?8 AS bigint[]), CAST(?9 AS timestamptz[]), CAST(?10 AS text[]), CAST(?11 AS text[]), "
            "CAST(?12 AS text[]), CAST(?13 AS text[]), CAST(?14 AS bigint[]), CAST(?15 AS text[])) AS n (path, version, size, modified, "
            "state, "
            "reason, message, loaded, row_count, hash) ORDER BY n.path COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING status) "
            "SELECT status, count(*) FROM added GROUP BY status",
            request_.ingestion.text, request_.source.text, run(), now_, request_.archive, added.paths.text(), added.versions.text(),
            added.sizes.text(), added.times.text(), added.states.text(), added.reasons.text(), added.messages.text(), added.loaded.text(),
            added.rows.text(), added.hashes.text()));
    result_.lost_race += added.count;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return {};
      const std::string_view state = rows.text_view(0);
      (state == "SUCCESS" ? result_.ignored : state == "SKIPPED" ? result_.skipped : result_.added) += rows.integer(1);
      result_.lost_race -= rows.integer(1);
    }
  }

  Result<void> change() {
    // Locked in the order of their paths, as every discovery does. LATERAL with a limit: asked for each row through the index.
    const std::string sql = fmt::format(
        "SELECT p.id, p.status, p.loaded_version, s.number, past.version, past.row_count, past.content_hash FROM unnest(CAST(?2 AS "
        "text[]), "
        "CAST(?3 AS text[]), CAST(?4 AS text[]), CAST(?5 AS text[]), CAST(?6 AS bigint[])) AS s (path, version, known, source, number) "
        "JOIN processed_files p ON p.ingestion_id = ?1 AND p.source_id = s.source AND p.file_path = s.path AND p.file_etag = s.known "
        "LEFT JOIN LATERAL ({}) AS past ON TRUE ORDER BY p.file_path, s.number FOR NO KEY UPDATE OF p",
        past_load_sql("s.path", "s.version", "?1", request_.replaces,
                      request_.replaces ? "" : " AND (f.version = s.version OR p.loaded_version = '')"));
    TRY_ASSIGN(auto rows, db_.query(sql, request_.ingestion.text, changed_.paths.text(), changed_.versions.text(), changed_.known.text(),
                                    changed_.sources.text(), changed_.numbers.text()));
    result_.lost_race += changed_.count;
    std::unordered_set<int64_t> decided;
    DecidedColumns moved;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      const auto state = parse_file_state(rows.text_view(1));
      const Seen& file = files_[static_cast<size_t>(rows.integer(3))];
      if (!state) return fail(ErrorCode::kCorruption, fmt::format("{} has the unknown state '{}'", file.file.path, rows.text_view(1)));
      const KnownRecord known{rows.integer(0), *state, rows.text(2)};
      const auto past = rows.is_null(4) ? std::nullopt : std::optional(PastLoad{rows.text(4), rows.integer(5), rows.text(6)});
      if (!decided.insert(known.id).second) continue;
      const Decision decision = decide(known, past, file, request_.on_change);
      const Change to = decision.change;
      if (to == Change::kNone) continue;
      --result_.lost_race;
      ++(to == Change::kDiscover ? result_.changed : to == Change::kSkip ? result_.skipped : result_.ignored);
      moved.add(known.id, file, to, decision.loaded);
    }
    return move(moved);
  }

  /// The new version begins with a clean slate: no attempts, no error. What was loaded stays written down.
  Result<void> move(const DecidedColumns& moved) {
    // What the records say of the versions between goes into the history, for those may come back, too.
    if (moved.returned > 0) {
      TRY(db_.execute(
          "UPDATE batch_files f SET content_hash = p.content_hash FROM processed_files p, unnest(CAST(?1 AS bigint[]), CAST(?2 AS text[])) "
          "AS m (id, loaded) WHERE p.id = m.id AND m.loaded IS NOT NULL AND f.file_path = p.file_path AND f.version = p.loaded_version "
          "AND f.piece = 0 AND f.content_hash = '' AND EXISTS (SELECT 1 FROM batches b WHERE b.id = f.batch_id AND b.ingestion_id = ?3)",
          moved.ids.text(), moved.loaded.text(), request_.ingestion.text));
    }
    TRY(db_.execute(
        "UPDATE processed_files p SET file_etag = m.version, file_size_bytes = m.size, file_modified_at = m.modified, status = m.state, "
        "run_id = ?1, error_type = m.reason, error_message = m.message, error_line = 0, error_byte = -1, retry_count = 0, "
        "worker_deaths = 0, discovered_at = CASE m.state WHEN 'DISCOVERED' THEN ?2 ELSE discovered_at END, "
        "processed_at = CASE m.state WHEN 'SKIPPED' THEN ?2 WHEN 'SUCCESS' THEN COALESCE(processed_at, ?2) ELSE processed_at END, "
        "loaded_version = COALESCE(m.loaded, loaded_version), records_ingested = COALESCE(m.row_count, records_ingested), "
        "content_hash = COALESCE(m.hash, content_hash), "
        "updated_at = ?2, archive_path = ?3, source_id = ?4 FROM unnest(CAST(?5 AS bigint[]), CAST(?6 AS text[]), CAST(?7 AS bigint[]), "
        "CAST(?8 AS timestamptz[]), CAST(?9 AS text[]), CAST(?10 AS text[]), CAST(?11 AS text[]), CAST(?12 AS text[]), "
        "CAST(?13 AS bigint[]), CAST(?14 AS text[])) AS m (id, version, size, modified, state, reason, message, loaded, row_count, hash) "
        "WHERE p.id = m.id",
        run(), now_, request_.archive, request_.source.text, moved.ids.text(), moved.versions.text(), moved.sizes.text(),
        moved.times.text(), moved.states.text(), moved.reasons.text(), moved.messages.text(), moved.loaded.text(), moved.rows.text(),
        moved.hashes.text()));
    return {};
  }

  std::optional<std::string> run() const { return request_.run.empty() ? std::nullopt : std::optional(request_.run.text); }

  SqlConnection& db_;
  const DiscoverRequest& request_;
  const std::span<const Seen> files_;
  const std::string now_;
  bool history_ = true;                   // there are committed loads, of whatever ingestion
  bool other_sources_ = true;             // of this ingestion have records
  std::unordered_set<size_t> elsewhere_;  // numbers of files that another source has
  SeenColumns fresh_, changed_;
  DiscoverResult result_;
};

}  // namespace

Result<std::unique_ptr<KnownFiles>> PostgresLedger::known_files(const IngestionId& ingestion, const SourceId& source) {
  auto opened = PostgresKnownFiles::open(pool_->options(), ingestion, source);
  if (!opened) return std::unexpected(opened.error().within("reading the known files"));
  return opened;
}

Result<std::unique_ptr<KnownFiles>> PostgresLedger::known_members(const IngestionId& ingestion, const SourceId& source,
                                                                  const std::string& archive) {
  const auto [first, end] = member_range(archive);
  auto opened = PostgresKnownFiles::open(pool_->options(), ingestion, source, first, end);
  if (!opened) return std::unexpected(opened.error().within("reading the known members"));
  return opened;
}

Result<DiscoverResult> PostgresLedger::record_discovered(const DiscoverRequest& request, std::span<const Seen> files) {
  if (files.empty()) return DiscoverResult{};
  return write("recording discovered files", [&](SqlConnection& db) -> Result<DiscoverResult> {
    TRY_ASSIGN(DiscoverResult result, PostgresRecorder(db, request, files, now_text(db)).record());
    TRY(note_archive_format(db, request));
    return result;
  });
}

Result<void> PostgresLedger::insert_results(SqlConnection& db, const BatchId& batch, std::span<const FileResult> results) {
  PostgresArray ids, outcomes, rows, bytes, durations, formats, hashes, types, messages, lines, offsets;
  PostgresArray paths, versions, pieces, data_files, first_rows, row_counts, piece_hashes;
  PostgresArray kept_paths, kept_versions, kept_hashes;
  bool any_kept = false;
  for (const FileResult& result : results) {
    const Error error = result.error.value_or(Error{});
    ids.add(result.file.id);
    outcomes.add(to_string(result.outcome));
    rows.add(result.rows);
    bytes.add(result.bytes_read);
    durations.add(result.duration_ms);
    formats.add(result.format);
    hashes.add(result.content_hash);
    types.add(error_type_of(result));
    messages.add(error_message_of(result));
    lines.add(error.line);
    offsets.add(error.byte);
    if (!result.file.loaded_hash.empty()) {
      kept_paths.add(result.file.path);
      kept_versions.add(result.file.loaded_version);
      kept_hashes.add(result.file.loaded_hash);
      any_kept = true;
    }
    int64_t number = 0;
    for (const FilePiece& piece : pieces_of(result)) {
      paths.add(result.file.path);
      versions.add(result.file.version);
      pieces.add(number++);
      data_files.add(piece.data_file);
      first_rows.add(piece.first_row);
      row_counts.add(piece.row_count);
      piece_hashes.add(piece.content_hash);
    }
  }
  TRY(db.execute(
      "INSERT INTO batch_results (batch_id, file_id, outcome, records_ingested, bytes_read, processing_duration_ms, file_format, "
      "content_hash, error_type, error_message, error_line, error_byte) SELECT ?1, n.* FROM unnest(CAST(?2 AS bigint[]), "
      "CAST(?3 AS text[]), CAST(?4 AS bigint[]), CAST(?5 AS bigint[]), CAST(?6 AS bigint[]), CAST(?7 AS text[]), CAST(?8 AS text[]), "
      "CAST(?9 AS text[]), CAST(?10 AS text[]), CAST(?11 AS bigint[]), CAST(?12 AS bigint[])) AS n",
      batch.text, ids.text(), outcomes.text(), rows.text(), bytes.text(), durations.text(), formats.text(), hashes.text(), types.text(),
      messages.text(), lines.text(), offsets.text()));
  TRY(db.execute(
      "INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count, content_hash) SELECT ?1, n.* FROM "
      "unnest(CAST(?2 AS text[]), CAST(?3 AS text[]), CAST(?4 AS bigint[]), CAST(?5 AS text[]), CAST(?6 AS bigint[]), "
      "CAST(?7 AS bigint[]), CAST(?8 AS text[])) AS n",
      batch.text, paths.text(), versions.text(), pieces.text(), data_files.text(), first_rows.text(), row_counts.text(),
      piece_hashes.text()));
  if (!any_kept) return {};
  // What the records say of the versions before goes into the history, for those may come back.
  TRY(
      db.execute("UPDATE batch_files f SET content_hash = k.hash FROM unnest(CAST(?2 AS text[]), CAST(?3 AS text[]), CAST(?4 AS text[])) "
                 "AS k (path, version, hash) WHERE f.file_path = k.path AND f.version = k.version AND f.piece = 0 AND f.content_hash = '' "
                 "AND EXISTS (SELECT 1 FROM batches b JOIN batches o ON o.ingestion_id = b.ingestion_id WHERE b.id = f.batch_id AND "
                 "o.id = ?1)",
                 batch.text, kept_paths.text(), kept_versions.text(), kept_hashes.text()));
  return {};
}

}  // namespace sluice
