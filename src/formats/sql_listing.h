// The tables of a SQL dump, found in one pass over it. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "formats/sql_dump.h"

namespace sluice {

/// What is held of one dump; more is refused (TooLarge).
inline constexpr size_t kSqlTablesMax = 10'000;
inline constexpr size_t kSqlPiecesMax = 250'000;
inline constexpr int64_t kSqlDefinitionsBytesMax = 64 * kMiB;

/// Statements of one table that follow one another.
struct SqlPiece {
  std::string settings;  ///< statements that lead from those of its table's piece before to those that hold in it
  int64_t line = 0;      ///< where it begins, as `range` does
  ByteRange range;       ///< in bytes after decompression
};

struct SqlTableEntry {
  SqlTableName name;
  SqlPiece definition_piece;   ///< its CREATE TABLE, of several the last one before its rows
  std::string definition;      ///< that as text, without the terminator; empty: there is none
  std::vector<SqlPiece> rows;  ///< INSERT, COPY, and what changes rows behind them
  bool has_rows = false;       ///< an INSERT or COPY is among them
};

struct SqlListing {
  std::vector<SqlTableEntry> tables;  ///< in order of appearance, without SQLite's own (sqlite_...)
  DumpDialect dialect = DumpDialect::kAuto;
};

/// Reads all of a dump (`source`: plain bytes from its beginning). Errors as SqlDump's.
Result<SqlListing> list_sql_tables(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context);

/// Whether there is a table in it; reads up to the first. Errors as SqlDump's.
Result<bool> has_sql_table(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context);

/// The table to read: the one that has rows. nullopt: the file has no table at all. kInvalidInput: several, none of which was asked for.
Result<std::optional<std::string>> only_table(const SqlListing& listing);

/// "a, b, c", of many the first ones.
class SqlTableNames {
 public:
  void add(const SqlTableName& name);
  std::string text() const;

 private:
  std::vector<SqlTableName> names_;
  bool more_ = false;
};

}  // namespace sluice
