#include "sql/migrations.h"

#include <fmt/format.h>

#include <string>

namespace sluice {
namespace {

/// The highest step the file has; 0: an empty file. Refuses files of other programs.
Result<int64_t> version_of(SqliteConnection& connection) {
  TRY_ASSIGN(const auto known, connection.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'"));
  if (known == 1) {
    TRY_ASSIGN(const auto version, connection.query_integer("SELECT max(number) FROM schema_migrations"));
    return version.value_or(0);
  }
  TRY_ASSIGN(const auto tables, connection.query_integer("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) return 0;
  return invalid_input(fmt::format("{}: has tables, but not ours: it belongs to another program; name another file", connection.path()));
}

Result<void> refuse_newer(SqliteConnection& connection, int64_t version, size_t ours) {
  if (version <= static_cast<int64_t>(ours)) return {};
  return invalid_input(fmt::format("{}: was written by a newer program (schema {}, this one knows {}): use that program or newer",
                                   connection.path(), version, ours));
}

}  // namespace

Result<void> migrate(SqliteConnection& connection, std::span<const Migration> migrations, std::string_view now) {
  TRY_ASSIGN(const int64_t found, version_of(connection));
  TRY(refuse_newer(connection, found, migrations.size()));
  if (found == static_cast<int64_t>(migrations.size())) return {};
  return connection.transact([&]() -> Result<void> {
    // Asked again under the write lock: another program may have migrated meanwhile.
    TRY_ASSIGN(const int64_t version, version_of(connection));
    TRY(refuse_newer(connection, version, migrations.size()));
    TRY(
        connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations "
                           "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)"));
    for (const Migration& step : migrations.subspan(static_cast<size_t>(version))) {
      if (auto done = connection.run_script(std::string(step.sql)); !done) {
        return std::unexpected(done.error().within(fmt::format("migration {} ({})", step.number, step.name)));
      }
      TRY(connection.execute("INSERT INTO schema_migrations (number, name, applied_at) VALUES (?, ?, ?)", step.number, step.name, now));
    }
    return {};
  });
}

}  // namespace sluice
