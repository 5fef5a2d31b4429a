// Questions people ask.
#include <fmt/format.h>

#include <charconv>

#include "ledger/ledger_rows.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

std::unexpected<Error> no_cursor(std::string_view text) {
  return invalid_input(fmt::format("'{}' is no cursor: take next_cursor of the page before", text));
}
constexpr int64_t kVisitedAtOnce = 1000;

// Where the next page begins: after this record. Text "<id>:<key>"; the key is the path or processed_at.
struct Cursor {
  int64_t id = 0;
  std::string key;

  std::string text() const { return fmt::format("{}:{}", id, key); }

  static Result<Cursor> parse(std::string_view text) {
    Cursor cursor;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor.id);
    if (error != std::errc() || end == text.data() + text.size() || *end != ':') {
      return no_cursor(text);
    }
    cursor.key = text.substr(static_cast<size_t>(end - text.data()) + 1);
    return cursor;
  }
};

Result<FileAttempt> attempt_from(const SqlRows& row) {
  FileAttempt attempt{.path = row.text(0),
                      .version = row.text(1),
                      .run_id = row.text(2),
                      .error_type = row.text(3),
                      .error_message = row.text(4),
                      .line = row.integer(5),
                      .byte = row.integer(6)};
  TRY_ASSIGN(attempt.at, time_at(row, 7));
  return attempt;
}

Result<FileLoad> load_from(const SqlRows& row) {
  return FileLoad{.path = row.text(0),
                  .version = row.text(1),
                  .batch = BatchId(row.text(2)),
                  .snapshot_id = row.optional_integer(3),
                  .range = {.data_file = row.text(4), .first_row = row.integer(5), .row_count = row.integer(6)}};
}

}  // namespace

Result<FilePage> SqlLedger::files(const FilesQuery& query) {
  return read("listing files", [&](SqlConnection& db) -> Result<FilePage> {
    const std::string key = query.by_processed_at ? "processed_at" : "file_path";
    std::string where = "ingestion_id = ?";
    std::vector<SqlParam> params = {query.ingestion.text};
    const auto narrow = [&](std::string_view condition, auto... values) {
      where += condition;
      (params.emplace_back(values), ...);
    };
    if (query.state) narrow(" AND status = ?", to_string(*query.state));
    if (!query.path.empty()) narrow(" AND file_path = ?", std::string_view(query.path));
    if (query.by_processed_at) narrow(" AND processed_at IS NOT NULL");

    FilePage page;
    TRY_ASSIGN(auto counted, db.query_list(fmt::format("SELECT count(*) FROM processed_files WHERE {}", where), params));
    TRY(counted.next());
    page.total = counted.integer(0);

    Cursor after;
    if (!query.cursor.empty()) {
      TRY_ASSIGN(after, Cursor::parse(query.cursor));
      narrow(fmt::format(" AND ({}, id) > (?, ?)", key), std::string_view(after.key), after.id);
    }
    params.emplace_back(query.limit);
    TRY_ASSIGN(
        auto rows,
        db.query_list(fmt::format("SELECT {} FROM processed_files WHERE {} ORDER BY {}, id LIMIT ?", kFileColumns, where, key), params));
    TRY_ASSIGN(page.files, all_rows(std::move(rows), file_from));
    if (!page.files.empty() && std::ssize(page.files) == query.limit) {
      const FileRecord& last = page.files.back();
      page.next_cursor = Cursor{last.id, query.by_processed_at ? to_text(*last.processed_at) : last.path}.text();
    }
    return page;
  });
}

Result<IngestionPage> SqlLedger::ingestion_page(const IngestionsQuery& query) {
  return read("listing ingestions", [&](SqlConnection& db) -> Result<IngestionPage> {
    std::string where = "status <> 'DELETED'";
    std::vector<SqlParam> params;
    const auto narrow = [&](std::string_view condition, auto... values) {
      where += condition;
      (params.emplace_back(values), ...);
    };
    if (!query.tenant.empty()) narrow(" AND tenant = ?", std::string_view(query.tenant));
    if (!query.name.empty()) narrow(" AND name = ?", std::string_view(query.name));
    if (!query.status.empty()) narrow(" AND status = ?", std::string_view(query.status));

    IngestionPage page;
    TRY_ASSIGN(auto counted, db.query_list(fmt::format("SELECT count(*) FROM ingestions WHERE {}", where), params));
    TRY(counted.next());
    page.total = counted.integer(0);

    if (!query.cursor.empty()) {
      const size_t colon = query.cursor.find(':');  // "<id>:<name>"
      if (colon == std::string::npos) return no_cursor(query.cursor);
      const std::string_view cursor = query.cursor;
      narrow(" AND (name, id) > (?, ?)", cursor.substr(colon + 1), cursor.substr(0, colon));
    }
    params.emplace_back(query.limit + 1);
    TRY_ASSIGN(
        auto rows,
        db.query_list(fmt::format("SELECT {} FROM ingestions WHERE {} ORDER BY name, id LIMIT ?", kIngestionColumns, where), params));
    TRY_ASSIGN(page.ingestions, all_rows(std::move(rows), ingestion_from));
    if (std::ssize(page.ingestions) > query.limit) {
      page.ingestions.pop_back();
      page.next_cursor = fmt::format("{}:{}", page.ingestions.back().id.text, page.ingestions.back().name);
    }
    return page;
  });
}

Result<void> SqlLedger::visit_files(const IngestionId& ingestion, const std::function<Result<void>(const FileRecord&)>& visit) {
  return read("reading all files", [&](SqlConnection& db) -> Result<void> {
    Cursor after;
    while (true) {
      TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM processed_files WHERE ingestion_id = ? AND (file_path, id) > (?, ?) "
                                                 "ORDER BY file_path, id LIMIT ?",
                                                 kFileColumns),
                                     ingestion.text, after.key, after.id, kVisitedAtOnce));
      TRY_ASSIGN(const std::vector<FileRecord> files, all_rows(std::move(rows), file_from));
      for (const FileRecord& file : files) TRY(visit(file));
      if (std::ssize(files) < kVisitedAtOnce) return {};
      after = {files.back().id, files.back().path};
    }
  });
}

Result<std::vector<WaitingFiles>> SqlLedger::waiting_for_approval(const IngestionId& ingestion) {
  return read("asking what waits for approval", [&](SqlConnection& db) -> Result<std::vector<WaitingFiles>> {
    TRY_ASSIGN(auto rows,
               db.query("SELECT error_message, count(*), min(CAST(batch_id AS TEXT)) FROM processed_files WHERE ingestion_id = ? "
                        "AND status = 'DISCOVERED' AND error_type = ? GROUP BY error_message ORDER BY error_message",
                        ingestion.text, error_type::kNeedsApproval));
    std::vector<WaitingFiles> waiting;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return waiting;
      waiting.push_back({rows.text(0), rows.integer(1), BatchId(rows.text(2))});
    }
  });
}

Result<FileCounts> SqlLedger::file_counts(const IngestionId& ingestion) {
  return read("counting files", [&](SqlConnection& db) -> Result<FileCounts> {
    TRY_ASSIGN(auto rows, db.query("SELECT status, count(*) FROM processed_files WHERE ingestion_id = ? GROUP BY status", ingestion.text));
    FileCounts counts;
    while (true) {
      TRY_ASSIGN(const bool more, rows.next());
      if (!more) return counts;
      const auto state = parse_file_state(rows.text_view(0));
      if (!state) return fail(ErrorCode::kCorruption, fmt::format("files have the unknown state '{}'", rows.text_view(0)));
      switch (*state) {
        case FileState::kSuccess: counts.success += rows.integer(1); break;
        case FileState::kFailed: counts.failed += rows.integer(1); break;
        case FileState::kSkipped: counts.skipped += rows.integer(1); break;
        case FileState::kDiscovered:
        case FileState::kProcessing: counts.pending += rows.integer(1); break;
      }
    }
  });
}

Result<std::vector<FileAttempt>> SqlLedger::attempts(const IngestionId& ingestion, std::string_view path) {
  return read("listing attempts", [&](SqlConnection& db) -> Result<std::vector<FileAttempt>> {
    TRY_ASSIGN(auto rows, db.query("SELECT file_path, file_etag, run_id, error_type, error_message, error_line, error_byte, attempted_at "
                                   "FROM file_attempts WHERE ingestion_id = ? AND file_path = ? ORDER BY id",
                                   ingestion.text, path));
    return all_rows(std::move(rows), attempt_from);
  });
}

Result<std::vector<FileLoad>> SqlLedger::loads(const IngestionId& ingestion, std::string_view path) {
  return read("listing loads", [&](SqlConnection& db) -> Result<std::vector<FileLoad>> {
    TRY_ASSIGN(auto rows, db.query("SELECT f.file_path, f.version, f.batch_id, b.snapshot_id, f.data_file, f.first_row, f.row_count "
                                   "FROM batch_files f JOIN batches b ON b.id = f.batch_id WHERE f.file_path = ? AND f.forgotten = FALSE "
                                   "AND b.ingestion_id = ? AND b.state = 'COMMITTED' ORDER BY f.batch_id, f.piece",
                                   path, ingestion.text));
    return all_rows(std::move(rows), load_from);
  });
}

Result<std::vector<RunRecord>> SqlLedger::runs(const RunsQuery& query) {
  return read("listing runs", [&](SqlConnection& db) -> Result<std::vector<RunRecord>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM runs WHERE ingestion_id = ?1 AND (?2 = 0 OR sequence < ?2) "
                                               "ORDER BY sequence DESC LIMIT ?3",
                                               kRunColumns),
                                   query.ingestion.text, query.before_sequence, query.limit));
    return all_rows(std::move(rows), run_from);
  });
}

Result<int64_t> SqlLedger::run_count(const IngestionId& ingestion) {
  return read("counting runs", [&](SqlConnection& db) -> Result<int64_t> {
    TRY_ASSIGN(const auto count, db.query_integer("SELECT count(*) FROM runs WHERE ingestion_id = ?", ingestion.text));
    return count.value_or(0);
  });
}

Result<std::optional<RunRecord>> SqlLedger::run(std::string_view run_id) {
  return read("looking for a run", [&](SqlConnection& db) -> Result<std::optional<RunRecord>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM runs WHERE id = ?", kRunColumns), run_id));
    return first_row(std::move(rows), run_from);
  });
}

Result<std::vector<BatchRecord>> SqlLedger::batches(const IngestionId& ingestion, int64_t limit) {
  return read("listing batches", [&](SqlConnection& db) -> Result<std::vector<BatchRecord>> {
    TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT {} FROM batches WHERE ingestion_id = ? ORDER BY created_at DESC, id DESC LIMIT ?",
                                               kBatchColumns),
                                   ingestion.text, limit));
    return all_rows(std::move(rows), batch_from);
  });
}

}  // namespace sluice
