// One connection to a SQLite file: typed statements, a cache of prepared ones, transactions with three outcomes. Not thread-safe: one
// connection per thread, or one behind its owner's mutex. Knows no table; how errors map to ErrorCode is said at SqliteConnection.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sluice {

inline constexpr std::chrono::milliseconds kSqliteBusyTimeout{30'000};
inline constexpr int64_t kSqliteCacheBytesMax = 16 * 1024 * 1024;
/// A log this long is copied into its file by the writer that made it so: pages written again and again are copied once.
inline constexpr int64_t kSqliteLogPagesMax = 8'000;

struct SqliteOptions {
  /// Switch the file to write-ahead logging. Leave it false for a file that other programs own as well: its mode stays as they set it.
  bool wal = false;
  bool read_only = false;
  /// Make the file where it is missing; false: a missing file is kNotFound.
  bool create = true;
  /// How long to wait for another writer before kUnavailable.
  std::chrono::milliseconds busy_timeout = kSqliteBusyTimeout;
};

/// A value for one `?`. Text is not copied: it must live until execute returns; query copies it.
class SqlParam {
 public:
  using Value = std::variant<std::nullptr_t, int64_t, double, std::string_view>;

  SqlParam(std::nullptr_t) : value_(nullptr) {}
  template <std::integral T>
  SqlParam(T value) : value_(static_cast<int64_t>(value)) {}
  SqlParam(double value) : value_(value) {}
  SqlParam(std::string_view value) : value_(value) {}
  SqlParam(const std::string& value) : value_(std::string_view(value)) {}
  SqlParam(const char* value) : value_(std::string_view(value)) {}
  template <class T>
  SqlParam(const std::optional<T>& value) : value_(nullptr) {
    if (value) value_ = SqlParam(*value).value_;
  }

  const Value& value() const { return value_; }

 private:
  Value value_;
};

class SqliteConnection;

/// Rows of one query, read forward. Must not outlive its connection; while it lives in no transaction, it holds a read snapshot.
class SqliteRows {
 public:
  SqliteRows(SqliteRows&& other) noexcept;
  SqliteRows& operator=(SqliteRows&&) = delete;
  ~SqliteRows();

  /// Moves to the next row; false at the end.
  Result<bool> next();

  /// Columns of the present row, counted from 0. Null reads as 0 or "".
  bool is_null(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const { return std::string(text_view(column)); }
  /// Valid until the next call of next().
  std::string_view text_view(int column) const;
  std::optional<int64_t> optional_integer(int column) const;
  std::optional<std::string> optional_text(int column) const;

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
class SqliteConnection {
 public:
  /// foreign_keys = ON, synchronous = FULL. A file that is no database is left as it is.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, const SqliteOptions& options);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  const std::string& path() const { return path_; }

  /// Runs one statement to its end; returns how many rows it changed.
  template <class... Args>
  Result<int64_t> execute(std::string_view sql, const Args&... args) {
    const SqlParam params[] = {SqlParam(args)..., SqlParam(nullptr)};
    return execute_params(sql, params, sizeof...(args));
  }
  Result<int64_t> execute_list(std::string_view sql, const std::vector<SqlParam>& params) {
    return execute_params(sql, params.data(), params.size());
  }

  template <class... Args>
  Result<SqliteRows> query(std::string_view sql, const Args&... args) {
    const SqlParam params[] = {SqlParam(args)..., SqlParam(nullptr)};
    return query_params(sql, params, sizeof...(args));
  }
  Result<SqliteRows> query_list(std::string_view sql, const std::vector<SqlParam>& params) {
    return query_params(sql, params.data(), params.size());
  }

  Result<SqliteStatement> prepare(std::string_view sql);

  /// First column of the first row; nullopt: no row, or null.
  template <class... Args>
  Result<std::optional<int64_t>> query_integer(std::string_view sql, const Args&... args) {
    TRY_ASSIGN(auto rows, query(sql, args...));
    TRY_ASSIGN(const bool found, rows.next());
    return found ? rows.optional_integer(0) : std::nullopt;
  }
  template <class... Args>
  Result<std::optional<std::string>> query_text(std::string_view sql, const Args&... args) {
    TRY_ASSIGN(auto rows, query(sql, args...));
    TRY_ASSIGN(const bool found, rows.next());
    return found ? rows.optional_text(0) : std::nullopt;
  }

  /// Several statements separated by ';', without parameters.
  Result<void> run_script(const std::string& sql);

  int64_t last_insert_id() const;

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

  SqliteConnection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

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
  Result<int64_t> execute_params(std::string_view sql, const SqlParam* params, size_t count);
  Result<SqliteRows> query_params(std::string_view sql, const SqlParam* params, size_t count);
  Result<void> commit();
  void rollback();
  Error last_error(int code) const;

  sqlite3* handle_;
  std::string path_;
  std::map<std::string_view, sqlite3_stmt*> idle_statements_;  // by the statement's own text; a statement in use is not in here
};

}  // namespace sluice
