// The values of one row of a SQL dump: of VALUES (...), or of a line of COPY. Not thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/sql_tokens.h"
#include "formats/sql_types.h"

namespace sluice {

/// Values of one row that are kept.
inline constexpr size_t kSqlValuesMax = 16 * 1024;

/// What is not understood about a row or statement; no `reason`: nothing.
struct SqlProblem {
  std::string reason;
  int64_t line = 0, byte = 0;
};

class SqlRow {
 public:
  /// Reads `(value, ...)` with '(' in hand up to its ')'. What is no value (an expression, a function) is a problem; then the row is passed
  /// over, its ')' is in hand, or the end of the statement.
  void read_values(SqlTokens& tokens);
  /// Reads one line of COPY's text format. False: it was the end of the data, or of the text.
  bool read_copy_line(SqlText& text);

  /// Valid until the next row.
  std::span<const SqlValue> values() const { return values_; }
  const SqlProblem& problem() const { return problem_; }

 private:
  struct Stored {
    SqlValueKind kind;
    size_t begin, length;
  };

  void clear();
  void read_value(SqlTokens& tokens);
  void read_word_value(SqlTokens& tokens);
  void read_number(SqlTokens& tokens);
  bool read_string_function(SqlTokens& tokens, std::string& result, int depth, size_t held);
  void keep(SqlValueKind kind, std::string_view text);
  void refuse(const SqlToken& token, std::string reason);
  void point_values();
  void take_copy_field(std::string_view field);
  bool read_line(SqlText& text);

  std::vector<Stored> stored_;
  std::string bytes_;  ///< of all values
  std::vector<SqlValue> values_;
  SqlProblem problem_;
  int64_t depth_ = 0;  ///< parentheses open
  std::string line_;
};

}  // namespace sluice
