// After the load: which listed files have ended, and which of them were disposed of where they lie.
#include <fmt/format.h>

#include <algorithm>

#include "ledger/discovery_rules.h"
#include "ledger/sql_ledger.h"

namespace sluice {
namespace {

constexpr size_t kAskedTogether = 200;  // paths in one question

/// How a record stands, as SQL; {} is attempts_max. An archive that was opened has no loaded version: its members decide. A loaded member
/// that its archive holds no more has no listed one: it is nobody's to wait for. Members that could be loaded if they were named or opened
/// otherwise keep their archive where it is.
constexpr std::string_view kStanding =
    "CASE WHEN status = 'SUCCESS' AND loaded_version = '' THEN 'opened' WHEN status = 'SUCCESS' AND loaded_version = file_etag THEN 'done' "
    "WHEN status = 'FAILED' AND retry_count >= {} THEN 'failed' WHEN status = 'SKIPPED' AND error_type IN ('BadName', 'NestedArchive') "
    "THEN "
    "'pending' WHEN status = 'SKIPPED' OR (status = 'SUCCESS' AND file_etag = '') THEN "
    "'skipped' ELSE 'pending' END";

std::optional<FileEnd> end_of(std::string_view standing) {
  if (standing == "done") return FileEnd::kDone;
  return standing == "failed" ? std::optional(FileEnd::kFailed) : std::nullopt;
}

/// nullopt: a member is pending.
Result<std::optional<FileEnd>> end_of_members(SqlConnection& db, const IngestionId& ingestion, int attempts_max, std::string_view archive) {
  const auto [first, end] = member_range(archive);
  TRY_ASSIGN(auto rows, db.query(fmt::format("SELECT DISTINCT {} FROM processed_files WHERE ingestion_id = ?1 AND file_path > ?2 AND "
                                             "file_path < ?3 AND archive_path <> ''",
                                             fmt::format(kStanding, attempts_max)),
                                 ingestion.text, first, end));
  FileEnd ended = FileEnd::kDone;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return ended;
    if (rows.text_view(0) == "pending") return std::nullopt;
    if (rows.text_view(0) == "failed") ended = FileEnd::kFailed;
  }
}

struct Asked {
  EndedFile file;
  bool opened = false;
  std::string disposed_as;  ///< at the present version; empty: it was not
};

/// Archives without what their members say.
Result<std::vector<Asked>> ask(SqlConnection& db, const IngestionId& ingestion, const SourceId& source, int attempts_max,
                               std::span<const std::string> paths) {
  std::vector<SqlParam> params(paths.begin(), paths.end());
  std::string list = "?";
  for (size_t i = 1; i < paths.size(); ++i) list += ", ?";
  params.emplace_back(ingestion.text);
  params.emplace_back(source.text);
  TRY_ASSIGN(auto rows, db.query_list(fmt::format("SELECT file_path, file_etag, {}, disposed_version, disposed_as FROM processed_files "
                                                  "WHERE file_path IN ({}) AND ingestion_id = ? AND source_id = ?",
                                                  fmt::format(kStanding, attempts_max), list),
                                      params));
  std::vector<Asked> found;
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) return found;
    const bool opened = rows.text_view(2) == "opened";
    const auto end = end_of(rows.text_view(2));
    if (!end && !opened) continue;
    Asked& asked = found.emplace_back();
    asked.opened = opened;
    asked.file = {.path = rows.text(0), .version = rows.text(1), .end = end.value_or(FileEnd::kDone)};
    if (rows.text_view(3) == asked.file.version) asked.disposed_as = rows.text(4);
  }
}

}  // namespace

std::string_view to_string(FileEnd end) { return end == FileEnd::kDone ? "done" : "failed"; }

Result<std::vector<EndedFile>> SqlLedger::ended_files(const IngestionId& ingestion, const SourceId& source, int attempts_max,
                                                      std::span<const std::string> paths) {
  return read("asking which files have ended", [&](SqlConnection& db) -> Result<std::vector<EndedFile>> {
    std::vector<EndedFile> ended;
    for (size_t begin = 0; begin < paths.size(); begin += kAskedTogether) {
      const auto some = paths.subspan(begin, std::min(kAskedTogether, paths.size() - begin));
      TRY_ASSIGN(std::vector<Asked> asked, ask(db, ingestion, source, attempts_max, some));
      for (Asked& one : asked) {
        if (one.opened && one.disposed_as != "done") {  // what is done stays done; what failed may have been retried
          TRY_ASSIGN(const auto end, end_of_members(db, ingestion, attempts_max, one.file.path));
          if (!end) continue;
          one.file.end = *end;
        }
        one.file.disposed = one.disposed_as == to_string(one.file.end);
        ended.push_back(std::move(one.file));
      }
    }
    return ended;
  });
}

Result<void> SqlLedger::record_disposed(const IngestionId& ingestion, const SourceId& source, std::span<const EndedFile> files) {
  if (files.empty()) return {};
  return write("recording what was disposed of", [&](SqlConnection& db) -> Result<void> {
    const std::string now = now_text(db);
    for (const EndedFile& file : files) {
      TRY(
          db.execute("UPDATE processed_files SET disposed_version = file_etag, disposed_as = ?1, updated_at = ?2 WHERE file_path = ?3 AND "
                     "ingestion_id = ?4 AND source_id = ?5 AND file_etag = ?6",
                     to_string(file.end), now, file.path, ingestion.text, source.text, file.version));
    }
    return {};
  });
}

}  // namespace sluice
