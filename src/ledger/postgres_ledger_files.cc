// What the PostgreSQL ledger does to many files at once: a few statements over arrays, never one per file.
#include <fmt/format.h>

#include <deque>
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
      clock.sleep(kReopenEvery, {});
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

// Whether the version was loaded by a committed batch of this ingestion, as loaded.before (or null); {} is a row with path and version,
// ?1 the ingestion. LATERAL with a limit: asked for each row through the index. A plain EXISTS may be answered from a hash of the whole
// history.
constexpr std::string_view kLoadedBefore =
    "LEFT JOIN LATERAL (SELECT TRUE AS before FROM batch_files f JOIN batches b ON b.id = f.batch_id WHERE f.file_path = {0}.path AND "
    "f.version = {0}.version AND NOT f.forgotten AND b.ingestion_id = ?1 AND b.state = 'COMMITTED' LIMIT 1) AS loaded ON TRUE";

/// Columns of the files of one discovery.
struct SeenColumns {
  PostgresArray paths, versions, sizes, times, reasons, messages, known, numbers;

  void add(const Seen& seen, size_t number) {
    paths.add(stored_name(seen.file.path));
    versions.add(seen.file.version);
    sizes.add(seen.file.size_bytes);
    times.add(to_text(seen.file.modified_at));
    reasons.add(seen.skip_reason);
    messages.add(seen.skip_message);
    known.add(seen.known_version);
    numbers.add(static_cast<int64_t>(number));
  }
};

/// Records one chunk of a discovery inside the caller's transaction.
class Recorder {
 public:
  Recorder(SqlConnection& db, const DiscoverRequest& request, std::string now) : db_(db), request_(request), now_(std::move(now)) {}

  Result<DiscoverResult> record(std::span<const Seen> files) {
    SeenColumns fresh, changed;
    int64_t fresh_count = 0, changed_count = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      (files[i].known_version ? changed : fresh).add(files[i], i);
      ++(files[i].known_version ? changed_count : fresh_count);
    }
    if (fresh_count > 0) TRY(add(fresh, fresh_count));
    if (changed_count > 0) TRY(change(files, changed, changed_count));
    return result_;
  }

 private:
  Result<void> add(const SeenColumns& seen, int64_t count) {
    const std::string sql = fmt::format(
        "WITH added AS (INSERT INTO processed_files (ingestion_id, source_id, run_id, file_path, file_size_bytes, file_modified_at, "
        "file_etag, loaded_version, status, discovered_at, processed_at, error_type, error_message, created_at, updated_at, archive_path) "
        "SELECT ?1, ?2, ?3, s.path, s.size, s.modified, s.version, CASE s.state WHEN 'SUCCESS' THEN s.version ELSE '' END, s.state, "
        "CAST(?4 AS timestamptz), CASE s.state WHEN 'DISCOVERED' THEN NULL ELSE CAST(?4 AS timestamptz) END, "
        "CASE s.state WHEN 'SKIPPED' THEN s.reason ELSE '' END, CASE s.state WHEN 'SKIPPED' THEN s.message ELSE '' END, "
        "CAST(?4 AS timestamptz), CAST(?4 AS timestamptz), ?11 FROM (SELECT n.*, CASE WHEN loaded.before THEN 'SUCCESS' WHEN n.reason = '' "
        "THEN "
        "'DISCOVERED' ELSE 'SKIPPED' END AS state FROM unnest(CAST(?5 AS text[]), CAST(?6 AS text[]), CAST(?7 AS bigint[]), "
        "CAST(?8 AS timestamptz[]), CAST(?9 AS text[]), CAST(?10 AS text[])) AS n (path, version, size, modified, reason, message) {}) s "
        "ORDER BY s.path COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING status) SELECT status, count(*) FROM added GROUP BY status",
        fmt::format(kLoadedBefore, "n"));
    TRY_ASSIGN(auto rows,
               db_.query(sql, request_.ingestion.text, request_.source.text, run(), now_, seen.paths.text(), seen.versions.text(),
                         seen.sizes.text(), seen.times.text(), seen.reasons.text(), seen.messages.text(), request_.archive));
    result_.lost_race += count;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return {};
      const std::string_view state = rows.text_view(0);
      (state == "SUCCESS" ? result_.ignored : state == "SKIPPED" ? result_.skipped : result_.added) += rows.integer(1);
      result_.lost_race -= rows.integer(1);
    }
  }

  Result<void> change(std::span<const Seen> files, const SeenColumns& seen, int64_t count) {
    // Locked in the order of their paths, as every discovery does.
    TRY_ASSIGN(
        auto rows,
        db_.query(
            fmt::format(
                "SELECT p.id, p.status, p.loaded_version <> '', COALESCE(loaded.before, FALSE), s.number FROM unnest(CAST(?3 AS text[]), "
                "CAST(?4 AS text[]), CAST(?5 AS text[]), CAST(?6 AS bigint[])) AS s (path, version, known, number) "
                "JOIN processed_files p ON p.ingestion_id = ?1 AND p.source_id = ?2 AND p.file_path = s.path AND "
                "p.file_etag = s.known {} ORDER BY p.file_path, s.number FOR NO KEY UPDATE OF p",
                fmt::format(kLoadedBefore, "s")),
            request_.ingestion.text, request_.source.text, seen.paths.text(), seen.versions.text(), seen.known.text(),
            seen.numbers.text()));
    result_.lost_race += count;
    std::unordered_set<int64_t> decided;
    Moves moves;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) break;
      const auto state = parse_file_state(rows.text_view(1));
      const Seen& file = files[static_cast<size_t>(rows.integer(4))];
      if (!state) return fail(ErrorCode::kCorruption, fmt::format("{} has the unknown state '{}'", file.file.path, rows.text_view(1)));
      const KnownRecord known{
          .id = rows.integer(0), .state = *state, .loaded = rows.integer(2) != 0, .loaded_before = rows.integer(3) != 0};
      if (!decided.insert(known.id).second) continue;
      const Change to = change_of(known, file, request_.on_change);
      if (to == Change::kNone) continue;
      --result_.lost_race;
      ++(to == Change::kDiscover ? result_.changed : to == Change::kSkip ? result_.skipped : result_.ignored);
      moves.add(known, file, to);
    }
    return move(moves);
  }

  struct Moves {
    PostgresArray ids, versions, sizes, times, states, reasons, messages;

    void add(const KnownRecord& known, const Seen& seen, Change to) {
      const bool skipped = to == Change::kSkip;
      ids.add(known.id);
      versions.add(seen.file.version);
      sizes.add(seen.file.size_bytes);
      times.add(to_text(seen.file.modified_at));
      states.add(to_string(to == Change::kDiscover ? FileState::kDiscovered : skipped ? FileState::kSkipped : FileState::kSuccess));
      reasons.add(skipped ? std::string_view(seen.skip_reason) : "");
      messages.add(skipped ? std::string_view(seen.skip_message) : "");
    }
  };

  /// The new version begins with a clean slate: no attempts, no error. What was loaded stays written down.
  Result<void> move(const Moves& moves) {
    TRY(db_.execute(
        "UPDATE processed_files p SET file_etag = m.version, file_size_bytes = m.size, file_modified_at = m.modified, status = m.state, "
        "run_id = ?1, error_type = m.reason, error_message = m.message, error_line = 0, error_byte = -1, retry_count = 0, "
        "worker_deaths = 0, discovered_at = CASE m.state WHEN 'DISCOVERED' THEN ?2 ELSE discovered_at END, "
        "processed_at = CASE m.state WHEN 'SKIPPED' THEN ?2 WHEN 'SUCCESS' THEN COALESCE(processed_at, ?2) ELSE processed_at END, "
        "updated_at = ?2, archive_path = ?10 FROM unnest(CAST(?3 AS bigint[]), CAST(?4 AS text[]), CAST(?5 AS bigint[]), CAST(?6 AS "
        "timestamptz[]), "
        "CAST(?7 AS text[]), CAST(?8 AS text[]), CAST(?9 AS text[])) AS m (id, version, size, modified, state, reason, message) "
        "WHERE p.id = m.id",
        run(), now_, moves.ids.text(), moves.versions.text(), moves.sizes.text(), moves.times.text(), moves.states.text(),
        moves.reasons.text(), moves.messages.text(), request_.archive));
    return {};
  }

  std::optional<std::string> run() const { return request_.run.empty() ? std::nullopt : std::optional(request_.run.text); }

  SqlConnection& db_;
  const DiscoverRequest& request_;
  const std::string now_;
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
  return write("recording discovered files", [&](SqlConnection& db) { return Recorder(db, request, now_text(db)).record(files); });
}

Result<void> PostgresLedger::insert_results(SqlConnection& db, const BatchId& batch, std::span<const FileResult> results) {
  PostgresArray ids, outcomes, rows, bytes, durations, formats, hashes, types, messages, lines, offsets;
  PostgresArray paths, versions, pieces, data_files, first_rows, row_counts;
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
    int64_t number = 0;
    for (const FilePiece& piece : pieces_of(result)) {
      paths.add(result.file.path);
      versions.add(result.file.version);
      pieces.add(number++);
      data_files.add(piece.data_file);
      first_rows.add(piece.first_row);
      row_counts.add(piece.row_count);
    }
  }
  TRY(db.execute(
      "INSERT INTO batch_results (batch_id, file_id, outcome, records_ingested, bytes_read, processing_duration_ms, file_format, "
      "content_hash, error_type, error_message, error_line, error_byte) SELECT ?1, n.* FROM unnest(CAST(?2 AS bigint[]), "
      "CAST(?3 AS text[]), CAST(?4 AS bigint[]), CAST(?5 AS bigint[]), CAST(?6 AS bigint[]), CAST(?7 AS text[]), CAST(?8 AS text[]), "
      "CAST(?9 AS text[]), CAST(?10 AS text[]), CAST(?11 AS bigint[]), CAST(?12 AS bigint[])) AS n",
      batch.text, ids.text(), outcomes.text(), rows.text(), bytes.text(), durations.text(), formats.text(), hashes.text(), types.text(),
      messages.text(), lines.text(), offsets.text()));
  TRY(
      db.execute("INSERT INTO batch_files (batch_id, file_path, version, piece, data_file, first_row, row_count) SELECT ?1, n.* FROM "
                 "unnest(CAST(?2 AS text[]), CAST(?3 AS text[]), CAST(?4 AS bigint[]), CAST(?5 AS text[]), CAST(?6 AS bigint[]), "
                 "CAST(?7 AS bigint[])) AS n",
                 batch.text, paths.text(), versions.text(), pieces.text(), data_files.text(), first_rows.text(), row_counts.text()));
  return {};
}

}  // namespace sluice
