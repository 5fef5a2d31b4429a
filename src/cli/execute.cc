#include "cli/execute.h"

#include "api/json_shapes.h"
#include "cli/preflight.h"

namespace sluice {
namespace {

Outcome ended_by(const CommandLine& line, const Error& error, int exit_code) {
  if (line.flags.json) return {exit_code, error_document(error)};
  line.fail(error);
  return {exit_code, {}};
}

}  // namespace

Outcome refused(const CommandLine& line, const Error& error) { return ended_by(line, error, usage_code_of(error)); }

Outcome execute(const CommandLine& line, Assembly& parts, const Ingestion& stored, const RunOptions& options, int threads) {
  const auto opened = with_secrets(line, stored);
  if (!opened) return refused(line, opened.error());
  const Ingestion& ingestion = *opened;
  if (const auto checked = check_contract(ingestion); !checked) return refused(line, checked.error());
  auto sink = parts.open_sink(ingestion);
  if (!sink) return refused(line, sink.error());
  Console console(stdout, stderr, line.verbosity(), line.flags.json, line.clock);
  Context context;
  context.stop = line.stop;
  Engine engine(parts.engine_parts(threads));
  auto report = engine.run(ingestion, **sink, options, console, context);
  if (!report) return ended_by(line, report.error(), exit_code_of(report.error()));
  if (line.flags.json) {
    report->warnings = console.warnings();  // the run's own are among them
    return {exit_code_of(*report), report_json(*report)};
  }
  console.summary(*report, ingestion.name);
  return {exit_code_of(*report), {}};
}

int execute_run(const CommandLine& line, Assembly& parts, const Ingestion& ingestion, const RunOptions& options, int threads) {
  const Outcome outcome = execute(line, parts, ingestion, options, threads);
  if (line.flags.json) line.print(outcome.document.dump(2) + "\n");
  return outcome.exit_code;
}

}  // namespace sluice
