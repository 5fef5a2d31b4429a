// The tables of a SQLite ledger, step by step. People read them with sqlite3: states and times are text.
#pragma once

#include <span>

#include "sql/migrations.h"

namespace sluice {

std::span<const Migration> sqlite_ledger_migrations();

}  // namespace sluice
