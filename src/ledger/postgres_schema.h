// The ledger's tables in PostgreSQL: the names, numbers and steps of sqlite_schema.h, in PostgreSQL's types.
#pragma once

#include <span>

#include "sql/migrations.h"

namespace sluice {

std::span<const Migration> postgres_ledger_migrations();

}  // namespace sluice
