// SQL dumps of PostgreSQL (pg_dump, plain), MySQL (mysqldump) and SQLite (.dump). Thread-safe; its readers are not.
//
// One table of a dump is read: the one that SqlOptions name, else the only one that has rows. A file without any table is its statements:
// columns `line_number` and `value`, as of plain text. Types come from CREATE TABLE (sql_types.h), where there is none from the values.
// Only UTF-8. Without a name a dump is read twice: what comes last may be another table.
#pragma once

#include <string_view>

#include "formats/format.h"

namespace sluice {

const Format& sql_format();

/// SqlOptions::table where every table of a dump becomes a file of its own: where files become objects and no table is named.
inline constexpr std::string_view kEverySqlTable = "*";

}  // namespace sluice
