// Numbered changes of a database's tables, remembered in `schema_migrations`. Safe when several programs open it at once.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "sql/postgres.h"
#include "sql/sqlite.h"

namespace sluice {

/// One step; numbers count up from 1 without gaps. A released step never changes.
struct Migration {
  int64_t number = 0;
  std::string_view name;
  std::string_view sql;  ///< a script
};

/// Applies the steps that the file does not have yet, each whole or not at all. `now` is written beside each.
/// kInvalidInput: the file is of a newer program (it is left as it is), or has tables but no migrations: another program's file.
Result<void> migrate(SqliteConnection& connection, std::span<const Migration> migrations, std::string_view now);

/// The same in the connection's current schema. Other programs' tables may stand beside ours; kInvalidInput: a `schema_migrations` that is
/// none of ours.
Result<void> migrate(PostgresConnection& connection, std::span<const Migration> migrations, std::string_view now);

}  // namespace sluice
