// What the ledger asks of a database, whichever it is: typed parameters, rows, statements. Transactions are the concrete connections'
// affair. Not thread-safe. SQL is written with `?` or `?1` for parameters; where databases differ, SqlDialect has the words.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace sluice {

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

/// Where databases differ in words.
struct SqlDialect {
  /// After a SELECT whose rows this transaction will change or rely on.
  std::string_view lock_rows;
  /// The same; and until we are done no row that refers to them can be made.
  std::string_view lock_rows_alone;
  /// As lock_rows, but rows that another transaction holds are left out.
  std::string_view lock_free_rows;
  /// The numbers in a parameter that holds a JSON array of them, as a subquery; {} is the parameter.
  std::string_view numbers_in_list;
  /// A column that holds a JSON array, with the text of a parameter, or its number, added: {0} is the column, {1} the parameter.
  std::string_view list_with_text;
  std::string_view list_with_number;
};

/// Rows of one query, read forward.
class SqlCursor {
 public:
  virtual ~SqlCursor() = default;

  /// Moves to the next row; false at the end.
  virtual Result<bool> next() = 0;

  /// Columns of the present row, counted from 0. Null reads as 0 or "". A truth reads as 1 or 0.
  virtual bool is_null(int column) const = 0;
  virtual int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
  /// Valid until the next call of next().
  virtual std::string_view text_view(int column) const = 0;
  /// nullopt: null, or no time.
  virtual std::optional<Timestamp> time(int column) const { return parse_timestamp(text_view(column)); }

  std::string text(int column) const { return std::string(text_view(column)); }
  std::optional<int64_t> optional_integer(int column) const { return is_null(column) ? std::nullopt : std::optional(integer(column)); }
  std::optional<std::string> optional_text(int column) const { return is_null(column) ? std::nullopt : std::optional(text(column)); }
};

/// An open cursor of any database as a value. Must not outlive its connection.
class SqlRows {
 public:
  explicit SqlRows(std::unique_ptr<SqlCursor> cursor) : cursor_(std::move(cursor)) {}

  Result<bool> next() { return cursor_->next(); }
  bool is_null(int column) const { return cursor_->is_null(column); }
  int64_t integer(int column) const { return cursor_->integer(column); }
  double real(int column) const { return cursor_->real(column); }
  std::string text(int column) const { return cursor_->text(column); }
  std::string_view text_view(int column) const { return cursor_->text_view(column); }
  std::optional<Timestamp> time(int column) const { return cursor_->time(column); }
  std::optional<int64_t> optional_integer(int column) const { return cursor_->optional_integer(column); }
  std::optional<std::string> optional_text(int column) const { return cursor_->optional_text(column); }

 private:
  std::unique_ptr<SqlCursor> cursor_;
};

/// Errors: kUnavailable: busy or unreachable; kConflict: a constraint refused it; kCorruption: the database is damaged; kInvalidInput:
/// it may not be used so; kOutcomeUnknown: only from committing.
class SqlConnection {
 public:
  virtual ~SqlConnection() = default;

  virtual const SqlDialect& dialect() const = 0;
  /// Of the database, for messages; without secrets.
  virtual const std::string& name() const = 0;
  /// Several statements separated by ';', without parameters.
  virtual Result<void> run_script(const std::string& sql) = 0;

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
  Result<SqlRows> query(std::string_view sql, const Args&... args) {
    const SqlParam params[] = {SqlParam(args)..., SqlParam(nullptr)};
    return rows_of(sql, params, sizeof...(args));
  }
  Result<SqlRows> query_list(std::string_view sql, const std::vector<SqlParam>& params) {
    return rows_of(sql, params.data(), params.size());
  }

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

 protected:
  virtual Result<int64_t> execute_params(std::string_view sql, const SqlParam* params, size_t count) = 0;
  virtual Result<std::unique_ptr<SqlCursor>> open_cursor(std::string_view sql, const SqlParam* params, size_t count) = 0;

 private:
  Result<SqlRows> rows_of(std::string_view sql, const SqlParam* params, size_t count) {
    TRY_ASSIGN(auto cursor, open_cursor(sql, params, count));
    return SqlRows(std::move(cursor));
  }
};

}  // namespace sluice
