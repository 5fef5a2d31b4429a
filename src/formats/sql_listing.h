// The tables of a SQL dump, found in one pass over it. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "formats/sql_dump.h"

namespace sluice {

/// A dump with more tables is refused (TooLarge).
inline constexpr size_t kSqlTablesMax = 10'000;

/// One table. Ranges in bytes after decompression; length 0: there is none.
struct SqlTableEntry {
  SqlTableName name;
  ByteRange definition = {0, 0};  ///< its (first) CREATE TABLE
  ByteRange data = {0, 0};        ///< from the first INSERT or COPY to the last; tables whose data lie between each other overlap
  bool has_rows() const { return data.length > 0; }
};

struct SqlListing {
  std::vector<SqlTableEntry> tables;  ///< in order of appearance, without SQLite's own (sqlite_...)
  DumpDialect dialect = DumpDialect::kAuto;
};

/// Reads all of a dump (`source`: plain bytes from its beginning). Errors as SqlDump's.
Result<SqlListing> list_sql_tables(std::unique_ptr<ByteSource> source, const SqlOptions& options, Context& context);

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
