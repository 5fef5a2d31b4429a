// status --inventory and verify: what was found, what became of it, and whether the Parquet objects say the same.
#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "api/json_shapes.h"
#include "cli/command.h"
#include "cli/text_table.h"
#include "pipeline/inventory.h"
#include "pipeline/verify.h"

namespace sluice {
namespace {

using nlohmann::json;

std::string counts_text(const InventoryCounts& counts) {
  return fmt::format("{} found: {} done, {} failed, {} skipped, {} pending ({} of them in progress)\n", counts.lines(), counts.done,
                     counts.failed, counts.skipped, counts.pending + counts.in_progress, counts.in_progress);
}

}  // namespace

Result<void> show_inventory(CommandLine& line, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, name));
  json lines = json::array(), members = json::array();
  std::vector<std::vector<std::string>> rows;
  TRY_ASSIGN(const Inventory inventory,
             visit_inventory(opened.parts->history(), ingestion.id, [&](const InventoryLine& one) -> Result<void> {
               if (line.flags.json) {
                 (one.archive.empty() ? lines : members).push_back(inventory_line_json(one));
               } else {
                 rows.push_back({std::string(to_string(one.state)), std::to_string(one.size_bytes), one.type, one.name, one.reason});
               }
               return {};
             }));
  if (line.flags.json) {
    json all = inventory_json(inventory);
    all["inventory"] = std::move(lines);
    all["members"]["inventory"] = std::move(members);
    line.print(all.dump(2) + "\n");
    return {};
  }
  line.print(text_table({"STATE", "BYTES", "TYPE", "NAME", "REASON"}, rows));
  line.print("Files: " + counts_text(inventory.files));
  if (inventory.members.lines() > 0) line.print("Members of archives: " + counts_text(inventory.members));
  return {};
}

namespace {

std::string changes_text(const std::vector<SourceChange>& changes) {
  std::string text;
  for (const SourceChange& one : changes) text += fmt::format("{}  {}: {}\n", one.kind, one.path, one.reason);
  const auto count = [&](std::string_view kind) { return std::ranges::count(changes, kind, &SourceChange::kind); };
  return text + fmt::format("Sources: {} new, {} changed, {} gone since the last run\n", count("new"), count("changed"), count("gone"));
}

Result<void> verify(CommandLine& line, const std::string& name, bool objects_only) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion found, find_ingestion(opened, name));
  TRY_ASSIGN(const Ingestion ingestion, with_secrets(line, found));
  Context context;
  context.stop = line.stop;
  TRY_ASSIGN(Verification result, verify_objects(opened.parts->history(), opened.parts->stores(), ingestion, context));
  if (!objects_only) {
    TRY_ASSIGN(const auto sink, opened.parts->open_sink(ingestion));
    auto changes = find_source_changes(opened.parts->engine_parts(), *sink, ingestion, context);
    if (!changes) {
      changes.error().message += "; --objects-only compares without the sources";
      return std::unexpected(changes.error());
    }
    result.source_changes = *std::move(changes);
  }
  if (!result.differences.empty()) line.exit_code = kExitFailed;
  if (line.flags.json) {
    line.print(verification_json(result).dump(2) + "\n");
    return {};
  }
  for (const Difference& one : result.differences) line.print(fmt::format("{}  {}: {}\n", one.kind, one.name, one.reason));
  if (result.source_changes) line.print(changes_text(*result.source_changes));
  line.print(fmt::format("{} file(s), {} done; {} object(s); {} difference(s)\n", result.files, result.done, result.objects,
                         result.differences.size()));
  return {};
}

}  // namespace

void add_verify_command(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("verify",
                                     "Compare inventory, ledger and Parquet objects; exit code 1 where the objects differ. Says, too, what "
                                     "is new, changed or gone in the sources");
  auto name = std::make_shared<std::string>();
  auto objects_only = std::make_shared<bool>(false);
  command->add_option("INGESTION", *name, "Name or id")->required();
  command->add_flag("--objects-only", *objects_only, "Do not list the sources");
  command->callback([&line, name, objects_only] {
    if (auto done = verify(line, *name, *objects_only); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
