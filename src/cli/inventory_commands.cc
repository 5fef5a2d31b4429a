// status --inventory and verify: what was found, what became of it, and whether the Parquet objects say the same.
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

Result<void> verify(CommandLine& line, const std::string& name) {
  TRY_ASSIGN(Opened opened, open_parts(line, LedgerMode::kMustExist));
  TRY_ASSIGN(const Ingestion ingestion, find_ingestion(opened, name));
  Context context;
  context.stop = line.stop;
  TRY_ASSIGN(const Verification result, verify_objects(opened.parts->history(), opened.parts->stores(), ingestion, context));
  if (!result.differences.empty()) line.exit_code = kExitFailed;
  if (line.flags.json) {
    line.print(verification_json(result).dump(2) + "\n");
    return {};
  }
  for (const Difference& one : result.differences) line.print(fmt::format("{}  {}: {}\n", one.kind, one.name, one.reason));
  line.print(fmt::format("{} file(s), {} done; {} object(s); {} difference(s)\n", result.files, result.done, result.objects,
                         result.differences.size()));
  return {};
}

}  // namespace

void add_verify_command(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("verify", "Compare ledger and Parquet objects; exit code 1 with each difference");
  auto name = std::make_shared<std::string>();
  command->add_option("INGESTION", *name, "Name or id")->required();
  command->callback([&line, name] {
    if (auto done = verify(line, *name); !done) line.exit_code = line.usage(done.error());
  });
}

}  // namespace sluice
