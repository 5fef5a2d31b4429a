// table, check: what the catalog says, and whether everything an ingestion needs can be reached.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

#include "api/json_shapes.h"
#include "cli/command.h"
#include "cli/text_table.h"
#include "config/fields.h"
#include "pipeline/access_check.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr size_t kSnapshotsShown = 10;

Result<LoadedTable> load_table(const CommandLine& line, Opened& opened, const std::string& typed) {
  std::vector<std::string> catalogs;
  for (const auto& [name, config] : opened.config.catalogs) catalogs.push_back(name);
  TRY_ASSIGN(const TableRef ref, parse_table_ref(typed, catalogs));
  TRY_ASSIGN(Catalog * catalog, opened.parts->catalog(ref.catalog));
  Context context;
  context.stop = line.stop;
  return catalog->load({ref.ns, ref.name}, context);
}

json partitions_json(const TableMetadata& metadata) {
  json fields = json::array();
  for (const PartitionField& field : metadata.default_spec().fields) {
    const Field* source = metadata.current_schema().find(field.source_id);
    fields.push_back({{"name", field.name}, {"transform", field.transform}, {"column", source ? source->name : "?"}});
  }
  return fields;
}

json table_json(const LoadedTable& table) {
  const TableMetadata& m = table.metadata;
  json snapshots = json::array();
  for (auto it = m.snapshots.rbegin(); it != m.snapshots.rend(); ++it) {
    snapshots.push_back({{"snapshot_id", it->snapshot_id},
                         {"sequence_number", it->sequence_number},
                         {"at", to_text(Timestamp{it->timestamp_ms * 1000})},
                         {"summary", it->summary}});
  }
  const Snapshot* current = m.current_snapshot();
  json rows = 0;
  if (current) {
    auto total = current->summary.find("total-records");
    rows = total == current->summary.end() ? json(nullptr) : json(std::stoll(total->second));
  }
  return {{"table", table.id.text()},
          {"table_uuid", m.table_uuid},
          {"location", m.location},
          {"metadata_location", table.metadata_location},
          {"format_version", m.format_version},
          {"rows", rows},
          {"current_snapshot_id", current ? json(current->snapshot_id) : json(nullptr)},
          {"schema", schema_json_shape(m.current_schema())},
          {"partitions", partitions_json(m)},
          {"snapshots", std::move(snapshots)},
          {"properties", m.properties}};
}

std::string table_text(const json& t) {
  std::string text = fmt::format("{}  {} rows\nlocation: {}\n", t["table"].get<std::string>(),
                                 t["rows"].is_null() ? "?" : std::to_string(t["rows"].get<int64_t>()), t["location"].get<std::string>());
  std::vector<std::vector<std::string>> columns;
  for (const json& column : t["schema"]) {
    columns.push_back(
        {column["name"].get<std::string>(), column["type"].get<std::string>(), column["required"].get<bool>() ? "required" : ""});
  }
  text += text_table({"COLUMN", "TYPE", ""}, columns);
  for (const json& field : t["partitions"]) {
    text += fmt::format("partitioned by {}({})\n", field["transform"].get<std::string>(), field["column"].get<std::string>());
  }
  std::vector<std::vector<std::string>> snapshots;
  for (const json& snapshot : t["snapshots"]) {
    if (snapshots.size() == kSnapshotsShown) break;
    const json& summary = snapshot["summary"];
    snapshots.push_back({std::to_string(snapshot["snapshot_id"].get<int64_t>()), snapshot["at"].get<std::string>(),
                         summary.value("operation", ""), summary.value("added-records", "0"), summary.value("total-records", "")});
  }
  if (!snapshots.empty()) text += text_table({"SNAPSHOT", "AT", "OPERATION", "ADDED", "TOTAL"}, snapshots);
  return text;
}

Result<void> table(CommandLine& line, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const LoadedTable loaded, load_table(line, opened, name));
  const json j = table_json(loaded);
  line.print(line.flags.json ? j.dump(2) + "\n" : table_text(j));
  return {};
}

Result<void> check(CommandLine& line, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kScratchIfMissing));
  std::vector<AccessCheck> checks;
  checks.push_back({"ledger", opened.config.ledger_name()});
  std::vector<Ingestion> ingestions;
  if (name.empty()) {
    TRY_ASSIGN(ingestions, opened.parts->registry().ingestions("default"));
    for (const Ingestion& defined : opened.config.ingestions) {
      if (std::ranges::find(ingestions, defined.name, &Ingestion::name) == ingestions.end()) ingestions.push_back(defined);
    }
  } else {
    TRY_ASSIGN(Ingestion one, find_ingestion(opened, name));
    ingestions.push_back(std::move(one));
  }
  Context context;
  context.stop = line.stop;
  for (const Ingestion& stored : ingestions) {
    TRY_ASSIGN(const Ingestion ingestion, with_secrets(line, stored));
    for (AccessCheck& one : check_sources(opened.parts->stores(), opened.parts->clock(), ingestion, context))
      checks.push_back(std::move(one));
    checks.push_back(ingestion.parquet ? check_objects(opened.parts->stores(), ingestion, context)
                                       : check_table(opened.parts->catalog(ingestion.table.catalog), ingestion, context));
  }
  json list = json::array();
  for (const AccessCheck& one : checks) {
    const std::string& text = one.answer ? *one.answer : one.answer.error().message;
    list.push_back({{"check", one.what}, {"ok", one.answer.has_value()}, {"message", text}});
    if (!line.flags.json) line.print(fmt::format("{}  {}: {}\n", one.answer ? "ok    " : "FAILED", one.what, text));
    if (!one.answer) line.exit_code = kExitFailed;
  }
  if (line.flags.json) line.print(json{{"checks", list}}.dump(2) + "\n");
  return {};
}

}  // namespace

void add_table_commands(CLI::App& app, CommandLine& line) {
  auto* table_command = app.add_subcommand("table", "A table: schema, partitions, snapshots, rows, location");
  auto name = std::make_shared<std::string>();
  table_command->add_option("TABLE", *name, "NS.NAME or CATALOG.NS.NAME")->required();
  table_command->callback([&line, name] {
    if (auto done = table(line, *name); !done) line.exit_code = line.usage(done.error());
  });

  auto* check_command = app.add_subcommand("check", "Test source, catalog and ledger access, and explain");
  auto ingestion = std::make_shared<std::string>();
  check_command->add_option("INGESTION", *ingestion, "Name or id; all where left out");
  check_command->callback([&line, ingestion] {
    if (auto done = check(line, *ingestion); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
