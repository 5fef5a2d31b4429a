#include "sql/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sluice {
namespace {

// A write transaction has the file for itself: no row needs a lock.
constexpr SqlDialect kSqliteDialect = {
    .numbers_in_list = "(SELECT value FROM json_each({}))",
    .list_with_text = "json_insert({0}, '$[#]', {1})",
    .list_with_number = "json_insert({0}, '$[#]', {1})",
};

/// Of one connection; a transaction that changes more spills pages into the log, and writes them again.
constexpr int64_t kCacheBytesMax = 32 * 1024 * 1024;
/// The same, while a whole file is copied.
constexpr int64_t kPassingBytesMax = 1024 * 1024;
/// A log this long is copied into its file by the writer that made it so: pages written again and again are copied once.
constexpr int64_t kLogBytesMax = 32 * 1024 * 1024;
/// Of files with a log that we make: records of some hundred bytes that grow split larger pages less often. Twice as large pages take
/// twice the memory when many files are seen for the first time.
constexpr int64_t kPageBytes = 8 * 1024;
constexpr int kStepMillis = 5;  // between two tries of what SQLite's own busy handler does not wait for

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL: return ErrorCode::kUnavailable;
    case SQLITE_CONSTRAINT: return ErrorCode::kConflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kCorruption;
    case SQLITE_INTERRUPT: return ErrorCode::kCancelled;
    default: return ErrorCode::kInvalidInput;
  }
}

// What to do about it, said after SQLite's own words.
std::string_view way_out(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "; another process is writing to it: try again later";
    case SQLITE_IOERR: return "; is its disk full, or broken?";
    case SQLITE_FULL: return "; make room on its disk and run again";
    case SQLITE_CORRUPT: return "; the file is damaged: restore it from a backup";
    case SQLITE_NOTADB: return "; name another file, or restore this one from a backup";
    case SQLITE_CANTOPEN: return "; does its folder exist, and may we write there?";
    case SQLITE_READONLY: return "; we need the right to write to the file and to its folder";
    default: return "";
  }
}

int64_t bytes_of_file(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

/// SQLite counts its memory under one lock, taken for every allocation of every connection, for a question that we never ask.
void count_no_memory() {
  static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);  // refused where SQLite runs already: then it counts
  static_cast<void>(configured);
}

}  // namespace

SqliteRows::SqliteRows(SqliteRows&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteRows::~SqliteRows() {
  if (statement_ != nullptr) connection_->give_back(statement_);
}

Result<bool> SqliteRows::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(connection_->last_error(code));
}

bool SqliteRows::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

int64_t SqliteRows::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double SqliteRows::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view SqliteRows::text_view(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ != nullptr) connection_->give_back(statement_);
}

Result<int64_t> SqliteStatement::execute_params(const SqlParam* params, size_t count) {
  TRY(connection_->bind(statement_, params, count, false));
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement_);
  if (code != SQLITE_DONE) {
    Error error = connection_->last_error(code);
    sqlite3_reset(statement_);
    return std::unexpected(std::move(error));
  }
  sqlite3_reset(statement_);
  return sqlite3_changes64(connection_->handle_);
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path, const SqliteOptions& options) {
  count_no_memory();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return fail(ErrorCode::kUnavailable, fmt::format("opening {}: out of memory", path));
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(handle, path, options.when_damaged));
  if (code != SQLITE_OK) {
    Error error = connection->last_error(code).within("opening");
    const int cause = sqlite3_system_errno(handle);
    if (cause == EMFILE || cause == ENFILE) {
      error.code = ErrorCode::kUnavailable;
    } else if (!options.create && (code & 0xff) == SQLITE_CANTOPEN) {
      error.code = ErrorCode::kNotFound;
    }
    return std::unexpected(std::move(error));
  }
  if (auto configured = connection->configure(options); !configured) return std::unexpected(configured.error().within("opening"));
  return connection;
}

Result<void> SqliteConnection::configure(const SqliteOptions& options) {
  sqlite3_busy_timeout(handle_, static_cast<int>(options.busy_timeout.count()));
  TRY(
      run_script(fmt::format("PRAGMA foreign_keys = ON; PRAGMA synchronous = EXTRA; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; "
                             "PRAGMA wal_autocheckpoint = {}",
                             kCacheBytesMax / 1024, kLogBytesMax / kPageBytes)));
  if (options.wal) TRY(run_script(fmt::format("PRAGMA page_size = {}", kPageBytes)));
  // SQLite opens lazily: only a read shows that the file is a database at all, before anything is written to it.
  TRY(query_integer("SELECT count(*) FROM sqlite_schema"));
  if (options.wal && !options.read_only) TRY(switch_to_wal(options));
  return {};
}

Result<void> SqliteConnection::switch_to_wal(const SqliteOptions& options) {
  int64_t left_ms = options.busy_timeout.count();
  while (true) {
    TRY_ASSIGN(const auto mode, query_text("PRAGMA journal_mode"));
    if (mode == "wal") return {};
    const auto switched = query_text("PRAGMA journal_mode = WAL");
    if (switched && *switched == "wal") return {};
    if (!switched && switched.error().code != ErrorCode::kUnavailable) return std::unexpected(switched.error());
    // Two programs that open a new file at the same moment meet here, and the busy handler is not asked.
    if (left_ms <= 0) {
      if (!switched) return std::unexpected(switched.error());
      return fail(ErrorCode::kInvalidInput, fmt::format("{}: its file system allows no write-ahead log; use a local disk", path_));
    }
    left_ms -= std::max(1, sqlite3_sleep(kStepMillis));
  }
}

const SqlDialect& SqliteConnection::dialect() const { return kSqliteDialect; }

SqliteConnection::~SqliteConnection() {
  for (auto& [sql, statement] : idle_statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Result<sqlite3_stmt*> SqliteConnection::checkout(std::string_view sql) {
  if (auto found = idle_statements_.find(sql); found != idle_statements_.end()) {
    sqlite3_stmt* statement = found->second;
    idle_statements_.erase(found);
    return statement;
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return std::unexpected(last_error(code));
  return statement;
}

void SqliteConnection::give_back(sqlite3_stmt* statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  // The same SQL may be open twice at once; one copy is enough to keep.
  if (!idle_statements_.try_emplace(sqlite3_sql(statement), statement).second) sqlite3_finalize(statement);
}

Result<void> SqliteConnection::bind(sqlite3_stmt* statement, const SqlParam* params, size_t count, bool copy) {
  for (size_t i = 0; i < count; ++i) {
    const int at = static_cast<int>(i) + 1;
    int code = SQLITE_OK;
    if (const auto* integer = std::get_if<int64_t>(&params[i].value())) {
      code = sqlite3_bind_int64(statement, at, *integer);
    } else if (const auto* real = std::get_if<double>(&params[i].value())) {
      code = sqlite3_bind_double(statement, at, *real);
    } else if (const auto* text = std::get_if<std::string_view>(&params[i].value())) {
      const char* data = text->data() == nullptr ? "" : text->data();  // a null pointer would bind NULL, not ""
      code = sqlite3_bind_text64(statement, at, data, text->size(), copy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement, at);
    }
    if (code != SQLITE_OK) return std::unexpected(last_error(code));
  }
  return {};
}

Result<SqliteStatement> SqliteConnection::prepare(std::string_view sql) {
  TRY_ASSIGN(sqlite3_stmt * statement, checkout(sql));
  return SqliteStatement(*this, statement);
}

Result<SqliteRows> SqliteConnection::query_params(std::string_view sql, const SqlParam* params, size_t count) {
  TRY_ASSIGN(sqlite3_stmt * statement, checkout(sql));
  SqliteRows rows(*this, statement);
  TRY(bind(statement, params, count, true));
  return rows;
}

Result<std::unique_ptr<SqlCursor>> SqliteConnection::open_cursor(std::string_view sql, const SqlParam* params, size_t count) {
  TRY_ASSIGN(auto rows, query_params(sql, params, count));
  return std::make_unique<SqliteRows>(std::move(rows));
}

Result<int64_t> SqliteConnection::execute_params(std::string_view sql, const SqlParam* params, size_t count) {
  TRY_ASSIGN(sqlite3_stmt * statement, checkout(sql));
  SqliteRows rows(*this, statement);
  TRY(bind(statement, params, count, false));
  while (true) {
    TRY_ASSIGN(const bool more, rows.next());
    if (!more) break;
  }
  return sqlite3_changes64(handle_);
}

Result<void> SqliteConnection::run_script(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(last_error(code));
  return {};
}

int64_t SqliteConnection::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }

void SqliteConnection::release_memory() { sqlite3_db_release_memory(handle_); }

Result<void> SqliteConnection::commit() {
  const int code = sqlite3_exec(handle_, "COMMIT", nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  Error error = last_error(code).within("committing");
  // Busy and full come before the commit point. An I/O error may come after the commit record reached the disk: a later recovery of
  // the log can bring the transaction back.
  if ((code & 0xff) == SQLITE_IOERR) error.code = ErrorCode::kOutcomeUnknown;
  return std::unexpected(std::move(error));
}

void SqliteConnection::rollback() {
  if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Error SqliteConnection::last_error(int code) const {
  const bool says_own = code_of(code) == ErrorCode::kCorruption && !when_damaged_.empty();
  return Error{code_of(code), fmt::format("{}: {}{}", path_, sqlite3_errmsg(handle_), says_own ? when_damaged_ : way_out(code))};
}

std::unexpected<Error> SqliteConnection::damaged(std::string_view what) const {
  return fail(ErrorCode::kCorruption,
              fmt::format("{}: {}{}", path_, what, when_damaged_.empty() ? way_out(SQLITE_CORRUPT) : std::string_view(when_damaged_)));
}

Result<void> SqliteConnection::check_file(FileCheck check) {
  TRY_ASSIGN(const auto pages, query_integer("PRAGMA page_count"));
  TRY_ASSIGN(const auto page_bytes, query_integer("PRAGMA page_size"));
  const int64_t wanted = pages.value_or(0) * page_bytes.value_or(0);
  // Pages at the end may still be in the log alone.
  const int64_t found = bytes_of_file(path_) + bytes_of_file(path_ + "-wal");
  if (found < wanted) return damaged(fmt::format("it is {} bytes long, and says that it has {}", found, wanted));
  if (check == FileCheck::kLength) return {};
  TRY_ASSIGN(const auto verdict, query_text(check == FileCheck::kPages ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)"));
  const std::string said = verdict.value_or("");
  return said == "ok" ? Result<void>{} : damaged(first_line(said));
}

Result<void> SqliteConnection::copy_to(const std::string& path) {
  TRY_ASSIGN(const auto copy, open(path, {}));
  // Each page passes once: kept, it would only cost memory. And what a crash leaves of a copy is no copy, journal or not.
  const std::string passing = fmt::format("PRAGMA cache_size = -{}", kPassingBytesMax / 1024);
  TRY(run_script(passing));
  TRY(copy->run_script(passing + "; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"));
  sqlite3_backup* backup = sqlite3_backup_init(copy->handle_, "main", handle_, "main");
  if (backup == nullptr) return std::unexpected(copy->last_error(sqlite3_errcode(copy->handle_)));
  // All pages in one step: a copy that pauses begins anew with every write in between.
  const int copied = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (copied != SQLITE_DONE) return std::unexpected(last_error(copied));
  if (finished != SQLITE_OK) return std::unexpected(copy->last_error(finished));
  return copy->run_script("PRAGMA journal_mode = DELETE");  // no log beside it: the copy is this one file
}

}  // namespace sluice
