// Rows of one table on their way into it, many in one statement: what a statement costs by itself is more than what a row does. For the
// SQLite ledger's .cc files; not thread-safe.
#pragma once

#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sql/sqlite.h"

namespace sluice {

/// Must not outlive its connection. What is not flushed is not inserted.
class SqliteRowsTogether {
 public:
  /// `insert` is "INSERT INTO t (a, b) VALUES", `tail` what follows the rows (" ON CONFLICT DO NOTHING", or nothing).
  SqliteRowsTogether(SqliteConnection& connection, std::string_view insert, size_t columns, std::string_view tail = {});

  /// One row: a value for each column. Text is copied.
  template <class... Values>
  Result<void> add(const Values&... values) {
    (params_.push_back(kept(SqlParam(values))), ...);
    return params_.size() < kRowsTogether * columns_ ? Result<void>{} : flush();
  }
  Result<void> flush();

  /// Rows that are there now and were not; without those that a conflict kept out.
  int64_t inserted() const { return inserted_; }

  /// After so many rows add() flushes.
  static constexpr size_t kRowsTogether = 64;

 private:
  SqlParam kept(const SqlParam& param);
  std::string statement(size_t rows) const;

  SqliteConnection& connection_;
  const std::string insert_, tail_;
  const size_t columns_;
  std::optional<SqliteStatement> full_;        // inserts kRowsTogether rows
  std::vector<SqlParam> params_;               // of the rows that wait
  std::pmr::monotonic_buffer_resource texts_;  // theirs
  int64_t inserted_ = 0;
};

}  // namespace sluice
