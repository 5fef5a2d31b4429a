#include "pipeline/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_set>

#include "pipeline/discovery.h"
#include "pipeline/disposition.h"
#include "pipeline/mark_rules.h"
#include "pipeline/members.h"
#include "pipeline/recovery.h"
#include "pipeline/run_loop.h"
#include "pipeline/target.h"
#include "schema/contract.h"

namespace sluice {
namespace {

constexpr size_t kSamplePathsMax = 20;

Recovery make_recovery(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, RunObserver& observer, Doubt doubt) {
  return {{parts.work, sink, parts.clock, ingestion}, parts.worker, parts.lease, observer, doubt};
}

ClaimedFile as_claimed(const SourceId& source, const ListedFile& listed) {
  ClaimedFile file;
  file.source = source, file.path = listed.path, file.version = listed.version;
  file.size_bytes = listed.size_bytes, file.modified_at = listed.modified_at;
  return file;
}

/// Whether a run reads a file that was listed and is not known at that version; counted in `dry` where not.
Result<bool> is_to_load(const EngineParts& parts, const Ingestion& ingestion, const Seen& seen, DryRun& dry) {
  if (!seen.skip_reason.empty()) {
    ++dry.files_skipped;
    dry.files_new -= seen.skip_reason == error_type::kBaseline;
    return false;
  }
  if (!seen.known_version || ingestion.on_change != OnChange::kIgnore) return true;
  TRY_ASSIGN(const FilePage known, parts.history.files({.ingestion = ingestion.id, .path = seen.file.path}));
  const bool loaded = std::ranges::any_of(known.files, [](const FileRecord& file) { return !file.loaded_version.empty(); });
  if (!loaded) return true;
  ++dry.files_skipped;
  --dry.files_changed;
  dry.bytes -= seen.file.size_bytes;
  return false;
}

/// Files that earlier runs left: seen and not loaded, or failed and due again.
Result<void> add_waiting(const EngineParts& parts, const Ingestion& ingestion, const RunOptions& options, std::vector<ClaimedFile>& files,
                         DryRun& dry) {
  std::unordered_set<std::string> changed;
  for (const ClaimedFile& file : files) changed.insert(file.path);
  std::unordered_set<std::string> named;
  if (options.files_from) named.insert(options.files_from->begin(), options.files_from->end());
  for (const FileState state : {FileState::kDiscovered, FileState::kFailed}) {
    FilesQuery query{ingestion.id, state};
    do {
      TRY_ASSIGN(const FilePage page, parts.history.files(query));
      query.cursor = page.next_cursor;
      for (const FileRecord& record : page.files) {
        if (state == FileState::kFailed && record.attempts >= ingestion.retry_attempts_max) continue;
        if (record.error_type == error_type::kNeedsApproval || changed.contains(record.path)) continue;
        const bool is_member = !record.archive.empty();
        if (options.files_from && !named.contains(is_member ? record.archive : record.path)) continue;
        ++(is_member ? dry.members : dry.files_waiting);
        if (is_member) continue;
        dry.bytes += record.size_bytes;
        files.push_back(as_claimed(record.source, {record.path, record.version, record.size_bytes, record.modified_at}));
      }
    } while (!query.cursor.empty());
  }
  dry.files_unchanged = std::max<int64_t>(0, dry.files_unchanged - dry.files_waiting);
  return {};
}

/// The files that a run would load, as claimed files to sample.
Result<std::vector<ClaimedFile>> files_to_load(const EngineParts& parts, const Sink& sink, const Ingestion& ingestion,
                                               const RunOptions& options, DryRun& dry, Context& context) {
  std::vector<ClaimedFile> files;
  Ingestion asked = ingestion;
  if (!ingestion.tracking) asked.id = IngestionId();  // which knows no file
  for (const Source& source : ingestion.sources) {
    auto make_feed = [&](Context&) { return open_feed(parts, sink, ingestion, source, options.files_from); };
    auto take = [&](std::vector<Seen> seen) -> Result<void> {
      for (const Seen& s : seen) {
        TRY_ASSIGN(const bool to_load, is_to_load(parts, asked, s, dry));
        if (to_load) files.push_back(as_claimed(source.id, s.file));
      }
      return {};
    };
    TRY_ASSIGN(const Discovered found, compare(make_feed, parts.work, asked, source.id, take, context));
    dry.files_found += found.found, dry.files_not_ready += found.not_ready, dry.files_unchanged += found.unchanged;
    dry.files_new += found.added, dry.files_changed += found.changed, dry.bytes += found.bytes;
    dry.warnings.insert(dry.warnings.end(), found.warnings.begin(), found.warnings.end());
    if (options.files_from) break;
  }
  if (ingestion.tracking) TRY(add_waiting(parts, ingestion, options, files, dry));
  return files;
}

bool may_be_container(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  constexpr std::array<std::string_view, 10> kParts = {".sql", ".zip", ".7z", ".tar", ".tgz", ".tbz", ".txz", ".tzst", ".tlz", ".taz"};
  return std::ranges::any_of(kParts, [&](std::string_view part) { return name.contains(part); });
}

/// Containers among the files, by what their names or, of the first files, their contents say: their members come in their place.
Result<void> look_into_containers(const EngineParts& parts, const Ingestion& ingestion, std::vector<ClaimedFile>& files, DryRun& dry,
                                  Context& context) {
  std::vector<ClaimedFile> all;
  for (size_t i = 0; i < files.size(); ++i) {
    const ClaimedFile& file = files[i];
    if (i >= kSamplePathsMax && !may_be_container(file.path)) {
      all.push_back(file);
      continue;
    }
    TRY(context.check());
    const Source& source = source_of(ingestion, file);
    TRY_ASSIGN(ObjectStore * store, parts.stores.store_for(file.path, source.store));
    const auto blob = open_blob(*store, {file.path, file.version, file.size_bytes, file.modified_at});
    const auto container = find_container(source, file.path, *blob, context);
    if (!container || !*container) {
      all.push_back(file);
      continue;
    }
    ++dry.archives;
    dry.format = (*container)->format();
    auto found = list_members(**container, *blob, file, ingestion, context);
    if (!found) {
      dry.warnings.push_back(fmt::format("{}: {}", short_name(file), found.error().message));
      continue;
    }
    TRY_ASSIGN(auto members, new_members(parts.work, ingestion, file, *found));
    dry.members += std::ssize(members);
    std::ranges::move(members, std::back_inserter(all));
  }
  files = std::move(all);
  return {};
}

/// The table as it would be, and what would change; of objects, the columns of the files of the sample together.
Result<void> plan_schema(const Ingestion& ingestion, Sink& sink, const std::vector<Field>& columns, const ColumnRules* rules, DryRun& dry,
                         Context& context) {
  if (sink.object_per_file()) {
    TRY_ASSIGN(InitialSchema initial, initial_schema(columns, ingestion.metadata_columns));
    dry.schema = std::move(initial.schema);
    std::ranges::move(initial.warnings, std::back_inserter(dry.warnings));
    return {};
  }
  auto state = sink.load(context);
  if (!state && state.error().code != ErrorCode::kNotFound) return std::unexpected(state.error());
  dry.table_exists = state.has_value();
  if (state) {
    EvolutionPlan plan = plan_target(*state, columns, Evidence::kSample, false, ingestion.schema.mode);
    dry.schema = std::move(plan.proposed);
    dry.schema_changes = std::move(plan.texts);
    dry.warnings.insert(dry.warnings.end(), plan.warnings.begin(), plan.warnings.end());
    if (!rules) return {};
    const auto wider = rules->missing_columns(dry.schema, {});  // types by definition are no guesses of a sample
    plan = plan_evolution(dry.schema, wider, ingestion.schema.mode, Evidence::kRefused);
    dry.schema = std::move(plan.proposed);
    std::ranges::move(plan.texts, std::back_inserter(dry.schema_changes));
    return {};
  }
  TRY_ASSIGN(InitialSchema initial, initial_schema(columns, ingestion.metadata_columns));
  dry.schema = std::move(initial.schema);
  dry.schema_changes = {fmt::format("create table {} ({} columns)", ingestion.table.text(), dry.schema.fields.size())};
  dry.warnings.insert(dry.warnings.end(), initial.warnings.begin(), initial.warnings.end());
  return {};
}

}  // namespace

Result<RunReport> Engine::run(const Ingestion& ingestion, Sink& sink, const RunOptions& options, RunObserver& observer, Context context) {
  TRY_ASSIGN(RunReport report, RunLoop(parts_, sink, ingestion, options, observer).run(context));
  if (!ingestion.disposition.any() || report.run.state == RunState::kCancelled) return report;
  report.disposed = dispose_files(parts_, ingestion, sink, options.files_from, context);
  std::optional<Error>& error = report.disposed.error;
  if (error && report.run.error.contains(error->message)) error.reset();  // the run ended for the same reason
  for (const std::string& warning : report.disposed.warnings) {
    report.warnings.push_back(warning);
    observer.warning(warning);
  }
  return report;
}

Result<DryRun> Engine::dry_run(const Ingestion& ingestion, Sink& sink, const RunOptions& options, Context context) {
  DryRun dry;
  if (ingestion.tracking) TRY(check_target(parts_.work, sink, ingestion, context));
  TRY_ASSIGN(auto files, files_to_load(parts_, sink, ingestion, options, dry, context));
  TRY(look_into_containers(parts_, ingestion, files, dry, context));
  for (size_t i = 0; i < std::min(files.size(), kSamplePathsMax); ++i) dry.sample_paths.push_back(files[i].path);
  for (size_t i = 0; i < files.size() && (dry.format.empty() || i < kSamplePathsMax); ++i) {
    const ClaimedFile& file = files[i];
    if (!file.archive.empty()) continue;
    const Source& source = source_of(ingestion, file);
    TRY_ASSIGN(ObjectStore * store, parts_.stores.store_for(file.path, source.store));
    auto input = open_input(*store, source, file, [](int64_t) {}, context);
    if (!input || (*input)->container()) continue;
    if (dry.format.empty()) dry.format = (*input)->format().name();
    auto why = explain_format(source, file.path, (*input)->blob(), context);
    if (why && i < kSamplePathsMax) dry.formats.emplace_back(file.path, *std::move(why));
  }
  std::vector<Field> columns;
  TRY_ASSIGN(const auto rules, ColumnRules::make(ingestion.schema));
  if (!ingestion.schema.contract.empty()) {
    TRY_ASSIGN(const Schema contract, load_contract(ingestion.schema.contract));
    if (rules) TRY(rules->check(contract, /*may_add=*/false));
    columns = contract.fields;
  } else {
    TRY_ASSIGN(SampledColumns found, sample_columns(parts_.stores, ingestion, files, rules.get(), nullptr, context));
    columns = std::move(found.fields);
    std::ranges::move(found.warnings, std::back_inserter(dry.warnings));
  }
  TRY(plan_schema(ingestion, sink, columns, rules.get(), dry, context));
  const SchemaMode mode = ingestion.schema.mode;
  const bool may_add = ingestion.schema.contract.empty() && (mode == SchemaMode::kEvolve || mode == SchemaMode::kApprove);
  if (rules && !dry.schema.fields.empty()) TRY(rules->check(dry.schema, may_add));
  return dry;
}

Result<void> Engine::recover(const Ingestion& ingestion, Sink& sink, RunObserver& observer, Context context) {
  const Recovery recovery = make_recovery(parts_, ingestion, sink, observer, Doubt::kStop);
  TRY(recover_dead_batches(recovery, context));
  return sweep_ended_batches(recovery, context);
}

Result<int64_t> Engine::forget(const Ingestion& ingestion, Sink& sink, const std::vector<std::string>& paths, bool all,
                               RunObserver& observer, Context context) {
  TRY(recover_dead_batches(make_recovery(parts_, ingestion, sink, observer, Doubt::kOperatorDecides), context));
  if (!all) return parts_.work.forget(ingestion.id, paths);
  ForeignMark foreign;
  auto state = sink.load(context);
  if (!state && state.error().code != ErrorCode::kNotFound) return std::unexpected(state.error());
  if (state) {
    TRY_ASSIGN(foreign, foreign_entries(parts_.work, *state, ingestion));
  }
  return parts_.work.forget_all(ingestion.id, foreign.batches, foreign.seq_max);
}

}  // namespace sluice
