// One connection to a SQLite file: typed statements, a cache of prepared ones, transactions with three outcomes. Not thread-safe: used by
// one thread at a time. Knows no table; how errors map to ErrorCode is said at SqliteConnection.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "sql/sql_connection.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sluice {

inline constexpr std::chrono::milliseconds kSqliteBusyTimeout{30'000};

struct SqliteOptions {
  /// Switch the file to write-ahead logging. Leave it false for a file that other programs own as well: its mode stays as they set it.
  bool wal = false;
  bool read_only = false;
  /// Make the file where it is missing; false: a missing file is kNotFound.
  bool create = true;
  /// How long to wait for another writer before kUnavailable.
  std::chrono::milliseconds busy_timeout = kSqliteBusyTimeout;
  /// What every error about a damaged file ends with; empty: that a backup is to be restored.
  std::string when_damaged = {};
};

/// What check_file looks at; each includes what comes before it.
enum class FileCheck {
  kLength,      ///< the file is as long as it says: costs nothing
  kPages,       ///< every page fits the others (PRAGMA quick_check): reads the whole file
  kEverything,  ///< and every index has what its table has (PRAGMA integrity_check): three times the time
};

class SqliteConnection;

/// Rows of one query, read forward. Must not outlive its connection; while it lives in no transaction, it holds a read snapshot.
class SqliteRows final : public SqlCursor {
 public:
  SqliteRows(SqliteRows&& other) noexcept;
  SqliteRows& operator=(SqliteRows&&) = delete;
  ~SqliteRows() override;

  Result<bool> next() override;
  bool is_null(int column) const override;
  int64_t integer(int column) const override;
  double real(int column) const override;
  std::string_view text_view(int column) const override;

 private:
  friend class SqliteConnection;
  SqliteRows(SqliteConnection& connection, sqlite3_stmt* statement) : connection_(&connection), statement_(statement) {}

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
};

/// One statement at hand for many executions, without looking it up each time. Must not outlive its connection.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  /// Runs it to its end; returns how many rows it changed.
  template <class... Args>
  Result<int64_t> execute(const Args&... args) {
    const SqlParam params[] = {SqlParam(args)..., SqlParam(nullptr)};
    return execute_params(params, sizeof...(args));
  }
  Result<int64_t> execute_list(std::span<const SqlParam> params) { return execute_params(params.data(), params.size()); }

 private:
  friend class SqliteConnection;
  SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement) : connection_(&connection), statement_(statement) {}
  Result<int64_t> execute_params(const SqlParam* params, size_t count);

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
};

/// Errors: kUnavailable: busy beyond the timeout, disk full, I/O error: nothing of the transaction happened; kConflict: a constraint
/// refused it; kCorruption: the file is damaged or no database; kNotFound: no such file (create false); kInvalidInput: the file may not
/// be opened or written, or the SQL does not fit the file's tables; kOutcomeUnknown: from commit only, see there.
class SqliteConnection final : public SqlConnection {
 public:
  /// foreign_keys = ON; synchronous = EXTRA: a rollback journal that a loss of power brings back would undo a commit. A file that is no
  /// database is left as it is.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, const SqliteOptions& options);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  const std::string& path() const { return path_; }
  const std::string& name() const override { return path_; }
  const SqlDialect& dialect() const override;
  Result<void> run_script(const std::string& sql) override;

  /// As SqlConnection::query, without the detour over an interface.
  template <class... Args>
  Result<SqliteRows> query(std::string_view sql, const Args&... args) {
    const SqlParam params[] = {SqlParam(args)..., SqlParam(nullptr)};
    return query_params(sql, params, sizeof...(args));
  }
  Result<SqliteRows> query_list(std::string_view sql, const std::vector<SqlParam>& params) {
    return query_params(sql, params.data(), params.size());
  }

  Result<SqliteStatement> prepare(std::string_view sql);

  int64_t last_insert_id() const;

  /// Gives back the memory of pages that no statement is at; what is known of the schema stays.
  void release_memory();

  /// kCorruption: the file is not what `check` asks for.
  Result<void> check_file(FileCheck check);
  /// Copies the file as it is now to `path`, a new file (SQLite's online backup: writers of other connections go on), as one file without a
  /// log. What the copy is worth, check_file says; it is not synced. This connection keeps fewer pages in memory from here on.
  Result<void> copy_to(const std::string& path);

  /// Runs `body` (returns a Result) between BEGIN IMMEDIATE and COMMIT. An error of body rolls everything back and is returned.
  /// kOutcomeUnknown: the commit itself failed in a way that may have left it in the file: ask the file again.
  template <class F>
  auto transact(F&& body) -> std::invoke_result_t<F> {
    return between("BEGIN IMMEDIATE", std::forward<F>(body));
  }
  /// The same for reads that must see one state of the file.
  template <class F>
  auto read_transact(F&& body) -> std::invoke_result_t<F> {
    return between("BEGIN", std::forward<F>(body));
  }

 private:
  friend class SqliteRows;
  friend class SqliteStatement;

  // Rolls back unless the transaction was committed, also when the body throws.
  class Transaction {
   public:
    explicit Transaction(SqliteConnection& connection) : connection_(connection) {}
    ~Transaction() { connection_.rollback(); }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

   private:
    SqliteConnection& connection_;
  };

  SqliteConnection(sqlite3* handle, std::string path, std::string when_damaged)
      : handle_(handle), path_(std::move(path)), when_damaged_(std::move(when_damaged)) {}

  template <class F>
  auto between(std::string_view begin, F&& body) -> std::invoke_result_t<F> {
    TRY(execute(begin));
    Transaction transaction(*this);
    auto result = body();
    if (result) TRY(commit());
    return result;
  }

  Result<void> configure(const SqliteOptions& options);
  Result<void> switch_to_wal(const SqliteOptions& options);
  Result<sqlite3_stmt*> checkout(std::string_view sql);
  void give_back(sqlite3_stmt* statement);
  Result<void> bind(sqlite3_stmt* statement, const SqlParam* params, size_t count, bool copy);
  Result<int64_t> execute_params(std::string_view sql, const SqlParam* params, size_t count) override;
  Result<std::unique_ptr<SqlCursor>> open_cursor(std::string_view sql, const SqlParam* params, size_t count) override;
  Result<SqliteRows> query_params(std::string_view sql, const SqlParam* params, size_t count);
  Result<void> commit();
  void rollback();
  Error last_error(int code) const;
  std::unexpected<Error> damaged(std::string_view what) const;

  sqlite3* handle_;
  std::string path_;
  std::string when_damaged_;
  std::map<std::string_view, sqlite3_stmt*> idle_statements_;  // by the statement's own text; a statement in use is not in here
};

}  // namespace sluice
