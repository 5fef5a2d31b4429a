// A SQL dump as a sequence of tables, rows and statements, one at a time. Not thread-safe.
//
// Understood: CREATE TABLE, INSERT (and REPLACE) ... VALUES with literals, COPY and \copy ... FROM stdin in text format, USE and \connect,
// and those SET that change how values are written. What gives a table rows that are not there (INSERT of anything else, COPY from a file,
// LOAD DATA, SELECT INTO, CREATE TABLE from a query), and statements that change its rows or columns (UPDATE, DELETE, MERGE, TRUNCATE,
// ALTER TABLE, RENAME, DROP of it or of all around it), are problems; a line that brings another file (\i, source, .read) is an error. All
// others are passed over: they say nothing of rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "formats/format.h"
#include "formats/sql_command.h"
#include "formats/sql_effects.h"
#include "formats/sql_known_tables.h"
#include "formats/sql_row.h"
#include "formats/sql_table.h"
#include "formats/sql_target.h"
#include "formats/sql_tokens.h"

namespace sluice {

/// What statements before say about how those that follow are to be read.
struct SqlSettings {
  std::string database;            ///< that USE or \connect named
  bool utc = false;                ///< MySQL's timestamps are in UTC: SET TIME_ZONE='+00:00'
  bool backslash_escapes = false;  ///< PostgreSQL: standard_conforming_strings = off
  std::string delimiter = ";";     ///< ends statements (MySQL's client)

  bool operator==(const SqlSettings&) const = default;
};
/// Statements that lead from one to the other.
std::string statements_between(const SqlSettings& from, const SqlSettings& to);

/// Of a CREATE TABLE as text.
inline constexpr size_t kSqlDefinitionBytesMax = kMiB;

enum class SqlItem {
  kEnd,
  kTable,  ///< CREATE TABLE: table(), columns()
  kRow,    ///< table(), names(), values(), perhaps problem()
  // A statement that does something to several tables counts as a statement for each.
  kProblem,    ///< a statement that gives table() rows or columns and is not understood: problem()
  kChange,     ///< a statement that changes rows of table(): problem()
  kStatement,  ///< any other; only where they were asked for
};

class SqlDump {
 public:
  /// `source` holds plain bytes from the file's beginning. `keep_statements`: every statement is a kStatement whose raw() is its text.
  SqlDump(std::unique_ptr<ByteSource> source, const SqlOptions& options, bool keep_statements = false, size_t block_bytes = 256 * kKiB);

  /// Errors: ParseError, TooLarge (line and byte set) and those of the source.
  Result<SqlItem> next(Context& context);

  const SqlTableName& table() const { return table_; }
  const std::vector<SqlColumn>& columns() const { return columns_; }
  /// The columns that an INSERT or COPY names; empty: all of the table. Changes only with statement().
  const std::vector<std::string>& names() const { return names_; }
  int64_t statement() const { return statement_; }  ///< number of the statement in hand, 1 is the first
  std::span<const SqlValue> values() const { return row_.values(); }
  const SqlProblem& problem() const { return problem_; }
  DumpDialect dialect() { return tokens_.dialect(); }

  int64_t line() const { return line_; }  ///< where the item begins
  int64_t byte() const { return byte_; }
  int64_t statement_byte() const { return statement_byte_; }  ///< where the statement in hand begins
  int64_t statement_line() const { return statement_line_; }
  int64_t end_byte() { return tokens_.text().byte(); }  ///< behind what was read
  /// Behind the last statement that is over and gave an item: its terminator, the end of COPY's rows.
  int64_t statement_end_byte() const { return statement_end_byte_; }
  /// Those that hold for the statement in hand.
  const SqlSettings& settings() const { return settings_; }
  /// The item as written, without its terminator; of a row the first 64 KiB, else the first kSqlDefinitionBytesMax.
  std::string raw();
  bool raw_is_cut() const { return tokens_.text().capture_is_cut(); }

 private:
  enum class State { kStatements, kInsertRows, kCopyRows, kEffects };

  /// nullopt: passed over, go on.
  using Step = std::optional<SqlItem>;

  SqlItem next_item();
  Step next_statement();
  void begin_statement();
  Step read_statement();
  Step keep_statement();
  Step read_create();
  Step read_insert();
  Step read_copy();
  Step read_command();
  Step read_copy_command(const SqlCommand& command);
  Step take_copy(SqlCopy copy, std::string problem);
  Step read_effects();
  Step next_effect();
  Step next_insert_row();
  Step next_copy_row();
  Step end_of_rows();
  void read_use();
  void read_set();
  void set(const std::string& name, std::string_view value);
  void apply_executed_comments();
  void check_encoding(std::string_view encoding);
  void skip_statement();
  void skip_created();
  bool pass_create_options();
  bool reaches_query();
  Step misunderstood(std::string reason);
  void refuse(std::string_view reason);
  void remember(SqlItem item);

  SqlTokens tokens_;
  const bool keep_statements_;
  State state_ = State::kStatements;
  SqlTableName table_;
  std::vector<SqlColumn> columns_;
  std::vector<std::string> names_;
  SqlRow row_;
  SqlProblem problem_;
  std::vector<SqlEffect> effects_;  ///< of the statement in hand
  size_t next_effect_ = 0;
  SqlKnownTables tables_;
  SqlSettings settings_;
  bool has_given_ = false;  ///< the statement in hand: an item
  int64_t statement_ = 0, statement_line_ = 1, statement_byte_ = 0, statement_end_byte_ = 0, line_ = 1, byte_ = 0;
  int64_t remembered_ = 0;               ///< the last statement whose table is in tables_
  int64_t raw_begin_ = 0, raw_end_ = 0;  ///< of the item as captured, which begins behind byte_ where it is a row of INSERT
};

}  // namespace sluice
