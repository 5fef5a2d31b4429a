#include "cli/execute.h"

#include <nlohmann/json.hpp>

#include "api/json_shapes.h"

namespace sluice {

int execute_run(const CommandLine& line, Assembly& parts, const Ingestion& stored, const RunOptions& options, int threads) {
  const auto opened = with_secrets(line, stored);
  if (!opened) return line.usage(opened.error());
  const Ingestion& ingestion = *opened;
  auto sink = parts.open_sink(ingestion);
  if (!sink) return line.usage(sink.error());
  Console console(stdout, stderr, line.verbosity(), line.flags.json, line.clock);
  Context context;
  context.stop = line.stop;
  Engine engine(parts.engine_parts(threads));
  auto report = engine.run(ingestion, **sink, options, console, context);
  if (!report) return line.fail(report.error());
  if (line.flags.json) {
    line.print(report_json(*report).dump(2) + "\n");
  } else {
    console.summary(*report, ingestion.name);
  }
  return exit_code_of(*report);
}

}  // namespace sluice
