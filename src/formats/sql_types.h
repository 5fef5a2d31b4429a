// Types of PostgreSQL, MySQL and SQLite -> table types, and how their values are written. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/sql_tokens.h"
#include "schema/column_writer.h"
#include "schema/type.h"

namespace sluice {

/// A column's type as CREATE TABLE declares it: "character varying" (64), "int unsigned", "timestamp without time zone" (3), "text" [].
struct DeclaredType {
  std::string words;  ///< in lower case, joined by one space; empty: none declared (SQLite)
  std::vector<std::string> arguments;
  bool is_array = false;

  std::string text() const;  ///< for messages
};

/// How the text of a column's values is to be taken.
enum class SqlEncoding {
  kPlain,
  kPostgresBytes,  ///< "\x0a0b", or with octal escapes
  kRawBytes,       ///< a string's bytes are the value
  kUtc,            ///< a timestamp without offset that is in UTC (MySQL, SET TIME_ZONE='+00:00')
  kSqliteNumber,   ///< 9e999 is infinite
};

struct SqlType {
  TypePtr type;  ///< nullptr: none declared, any value may come
  SqlEncoding encoding = SqlEncoding::kPlain;
  bool known = true;  ///< false: read as string for want of better
};

/// `utc`: the dump writes MySQL's timestamps in UTC.
SqlType sql_type_of(const DeclaredType& declared, DumpDialect dialect, bool utc);

enum class SqlValueKind {
  kNull,
  kDefault,
  kBool,
  kNumber,
  kText,   ///< a string
  kField,  ///< of COPY: text whose type only the column says
  kBytes
};

/// One value of a row. `text`: "true"/"false", the number, the decoded string, the bytes.
struct SqlValue {
  SqlValueKind kind = SqlValueKind::kNull;
  std::string_view text;
};

/// Appends a value that is not null; false: it does not fit the column.
bool append_sql_value(const SqlValue& value, SqlEncoding encoding, ColumnWriter& column);

}  // namespace sluice
