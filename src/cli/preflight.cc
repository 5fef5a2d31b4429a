#include "cli/preflight.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "iceberg/append.h"
#include "iceberg/partition_spec.h"
#include "iceberg/table_place.h"
#include "pipeline/column_rules.h"
#include "schema/contract.h"
#include "schema/evolution.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

Result<std::optional<Schema>> read_contract(const Ingestion& ingestion) {
  std::optional<Schema> contract;
  TRY_ASSIGN(const auto rules, ColumnRules::make(ingestion.schema));
  if (ingestion.schema.contract.empty()) return contract;
  TRY_ASSIGN(contract, load_contract(ingestion.schema.contract));
  if (rules) TRY(rules->check(*contract, /*may_add=*/false));
  return contract;
}

Result<void> check_partitions(const Ingestion& ingestion, const Schema& contract) {
  TRY_ASSIGN(InitialSchema initial, initial_schema(contract.fields, ingestion.metadata_columns));
  return check_partition_by(ingestion.partition_by, std::move(initial.schema));
}

/// Of the catalog's own tables: one that was renamed stays where it lies.
Result<bool> lies_in(const std::string& folder, Catalog& catalog, Context& context) {
  TRY_ASSIGN(const auto tables, catalog.tables(context));
  for (const TableId& id : tables) {
    const auto table = catalog.load(id, context);
    if (table && normalized_path(metadata_location_dir(table->metadata)) == normalized_path(folder)) return true;
  }
  return false;
}

/// Nothing can be written below a file. Other trouble with a folder may be over when the run writes, which then says what it is.
Result<void> check_folder(const std::string& warehouse) {
  const auto path = local_path(warehouse);
  if (!path) return {};
  std::error_code ignored;
  std::filesystem::path existing = *path;
  while (!std::filesystem::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  if (!std::filesystem::is_regular_file(existing, ignored)) return {};
  return invalid_input(fmt::format("warehouse {}: {} is a file, not a folder", warehouse, existing.string()));
}

Result<void> check_place(const CommandLine& line, const CatalogConfig& config, Catalog& catalog, const Ingestion& ingestion) {
  TableMetadata made;
  made.location = default_location(catalog.warehouse(), {ingestion.table.ns, ingestion.table.name});
  made.properties = ingestion.table_properties;
  const std::string folder = metadata_location_dir(made);
  TRY(check_folder(catalog.warehouse()));
  TRY_ASSIGN(ObjectStore * store, line.stores.store_for(folder, config.properties));
  Context context;
  context.stop = line.stop;
  // Where there is no catalog yet the one in hand is a scratch file.
  const std::string catalog_uri = fmt::format("sqlite:{}#{}", config.sqlite_path(), ingestion.table.catalog);
  auto taken = why_place_is_taken(*store, made.location, folder, catalog_uri, context);
  if (!taken || !*taken) return {};  // where the store does not answer the run says so
  TRY_ASSIGN(const bool by_another_name, lies_in(folder, catalog, context));
  if (by_another_name) return {};  // the run says by which
  return std::unexpected(**std::move(taken));
}

}  // namespace

Result<void> check_contract(const Ingestion& ingestion) {
  TRY(read_contract(ingestion));
  return {};
}

Result<void> check_before_run(const CommandLine& line, const Config& config, const Ingestion& ingestion) {
  TRY_ASSIGN(const auto contract, read_contract(ingestion));
  const auto of_table = config.catalogs.find(ingestion.table.catalog);
  // A server is asked by the run alone: it may be away, make tables of its own to answer, and decide itself where ours lie.
  if (ingestion.parquet || of_table == config.catalogs.end() || of_table->second.sqlite_path().empty()) return {};
  TRY_ASSIGN(const auto parts, line.assemble(config, LedgerMode::kNone));
  auto catalog = parts->catalog(ingestion.table.catalog);
  if (!catalog) return {};  // the run says why
  Context context;
  context.stop = line.stop;
  const auto table = (*catalog)->load({ingestion.table.ns, ingestion.table.name}, context);
  if (table || table.error().code != ErrorCode::kNotFound) return {};  // a run looks at it, and says what is wrong
  if (contract) TRY(check_partitions(ingestion, *contract));
  return check_place(line, of_table->second, **catalog, ingestion);
}

Result<void> check_defined(const CommandLine& line, const Config& config, const std::string& name) {
  const auto defined = config.ingestion(name);
  return defined ? check_before_run(line, config, *defined) : Result<void>{};
}

}  // namespace sluice
