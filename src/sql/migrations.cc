#include "sql/migrations.h"

#include <fmt/format.h>

#include <string>

namespace sluice {
namespace {

/// What the steps need to know of a database.
struct Place {
  std::string_view has_migrations;  ///< query: 1 where our table of steps stands
  std::string_view strangers;       ///< query: tables that say that the place belongs to another program
  std::string_view stranger;        ///< what to say then
  std::string_view make_table;
  std::string_view lock;  ///< statement that lets one program migrate at a time; empty: its transactions do
};

constexpr Place kSqlite = {
    .has_migrations = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'",
    .strangers = "SELECT count(*) FROM sqlite_schema",
    .stranger = "has tables, but not ours: it belongs to another program; name another file",
    .make_table = "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)",
};

constexpr Place kPostgres = {
    .has_migrations =
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() "
        "AND table_name = 'schema_migrations' AND column_name = 'applied_at'",
    .strangers =
        "SELECT count(*) FROM information_schema.tables t WHERE t.table_schema = current_schema() "
        "AND t.table_name = 'schema_migrations' AND NOT EXISTS (SELECT 1 FROM information_schema.columns c "
        "WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = 'applied_at')",
    .stranger =
        "holds another program's schema_migrations; name another database, or another schema with "
        "?options=-csearch_path%3DSCHEMA",
    .make_table =
        "CREATE TABLE IF NOT EXISTS schema_migrations "
        "(number bigint PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)",
    .lock = "SELECT pg_advisory_xact_lock(hashtextextended('sluice migrations ' || current_schema(), 0))",
};

/// The highest step the place has; 0: none yet. Refuses places of other programs.
Result<int64_t> version_of(SqlConnection& connection, const Place& place) {
  TRY_ASSIGN(const auto known, connection.query_integer(place.has_migrations));
  if (known == 1) {
    TRY_ASSIGN(const auto version, connection.query_integer("SELECT max(number) FROM schema_migrations"));
    return version.value_or(0);
  }
  TRY_ASSIGN(const auto tables, connection.query_integer(place.strangers));
  if (tables == 0) return 0;
  return invalid_input(fmt::format("{}: {}", connection.name(), place.stranger));
}

Result<void> refuse_newer(SqlConnection& connection, int64_t version, size_t ours) {
  if (version <= static_cast<int64_t>(ours)) return {};
  return invalid_input(fmt::format("{}: was written by a newer program (schema {}, this one knows {}): use that program or newer",
                                   connection.name(), version, ours));
}

/// Inside a write transaction.
Result<void> apply_missing(SqlConnection& connection, const Place& place, std::span<const Migration> migrations, std::string_view now) {
  if (!place.lock.empty()) TRY(connection.run_script(std::string(place.lock)));
  // Asked again under the lock: another program may have migrated meanwhile.
  TRY_ASSIGN(const int64_t version, version_of(connection, place));
  TRY(refuse_newer(connection, version, migrations.size()));
  TRY(connection.execute(place.make_table));
  for (const Migration& step : migrations.subspan(static_cast<size_t>(version))) {
    if (auto done = connection.run_script(std::string(step.sql)); !done) {
      return std::unexpected(done.error().within(fmt::format("migration {} ({})", step.number, step.name)));
    }
    TRY(connection.execute("INSERT INTO schema_migrations (number, name, applied_at) VALUES (?, ?, ?)", step.number, step.name, now));
  }
  return {};
}

template <class Connection>
Result<void> migrate_at(Connection& connection, const Place& place, std::span<const Migration> migrations, std::string_view now) {
  // Two questions, between which another program may have made the tables: only what they say under the lock counts against the place.
  const auto found = version_of(connection, place);
  if (!found && found.error().code != ErrorCode::kInvalidInput) return std::unexpected(found.error());
  if (found) TRY(refuse_newer(connection, *found, migrations.size()));
  if (found && *found == static_cast<int64_t>(migrations.size())) return {};
  return connection.transact([&] { return apply_missing(connection, place, migrations, now); });
}

}  // namespace

Result<void> migrate(SqliteConnection& connection, std::span<const Migration> migrations, std::string_view now) {
  return migrate_at(connection, kSqlite, migrations, now);
}

Result<void> migrate(PostgresConnection& connection, std::span<const Migration> migrations, std::string_view now) {
  return migrate_at(connection, kPostgres, migrations, now);
}

}  // namespace sluice
