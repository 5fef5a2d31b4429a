#include "pipeline/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "iceberg/partition_spec.h"
#include "pipeline/input_file.h"
#include "pipeline/mark_rules.h"
#include "pipeline/members.h"
#include "pipeline/read_rules.h"
#include "schema/inference.h"

namespace sluice {
namespace {

constexpr int64_t kSampleBytesMax = 64 * kMiB;
constexpr size_t kSampleFilesMax = 256;
constexpr int kRacesMax = 20;  // lost races: each of them means that another worker changed the table

/// Evenly spread over the files, first and last included.
std::vector<const ClaimedFile*> spread(const std::vector<ClaimedFile>& files) {
  const size_t count = std::min(files.size(), kSampleFilesMax);
  std::vector<const ClaimedFile*> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back(&files[count == 1 ? 0 : i * (files.size() - 1) / (count - 1)]);
  return chosen;
}

/// Opens a file of the sample. A small one is read whole for it, and those who stage it need not read it again.
Result<std::unique_ptr<InputFile>> open_sample(ObjectStore& store, const Source& source, const ClaimedFile& file, std::vector<char>& buffer,
                                               SampledFiles* sampled, Context& context) {
  if (file.size_bytes > kWholeFileBytesMax) return open_input(store, source, file, [](int64_t) {}, context);
  TRY_ASSIGN(const WholeFile whole, read_whole_file(store, file, buffer, context));
  if (sampled) sampled->keep(file, whole.bytes);
  return open_recognised(whole, source, file, context);
}

/// Columns found so far, and how much may still be read for more.
struct Sample {
  const Ingestion& ingestion;
  const ColumnRules* rules;
  size_t files_left;
  int64_t bytes_left = kSampleBytesMax;
  SampledColumns columns = {};

  bool is_full() const { return bytes_left <= 0; }

  void take(const ClaimedFile& file, const Source& source, Result<std::unique_ptr<InputFile>>& input, Context& context) {
    const int64_t share = std::max<int64_t>(bytes_left / static_cast<int64_t>(std::max<size_t>(1, files_left)), 64 * kKiB);
    files_left -= files_left > 0;
    if (!input || (*input)->container()) return;
    auto inferred = infer_columns(**input, share, file, ingestion, source, rules, context);
    if (!inferred) return;
    columns.fields = merge_fields(std::move(columns.fields), inferred->fields);
    for (std::string& warning : inferred->warnings) {
      if (std::ranges::find(columns.warnings, warning) == columns.warnings.end()) columns.warnings.push_back(std::move(warning));
    }
    bytes_left -= std::min(share, file.size_bytes);
  }
};

/// In one pass over their archive, no further than the sample asks for.
Result<void> sample_members(StoreProvider& stores, const std::string& archive, const std::vector<const ClaimedFile*>& members,
                            Sample& sample, Context& context) {
  const Source& source = source_of(sample.ingestion, *members.front());
  auto opened = open_container(stores, source, archive, context);
  if (!opened) return opened.error().code == ErrorCode::kCancelled ? std::unexpected(opened.error()) : Result<void>{};
  const auto visit = [&](const ClaimedFile& file, Result<MemberBytes> bytes) -> Result<void> {
    if (sample.is_full()) return fail(ErrorCode::kNotFound, "the sample is full");
    if (!bytes) return {};
    auto input = open_member(*std::move(bytes), source, file, [](int64_t) {}, context);
    sample.take(file, source, input, context);
    return {};
  };
  auto visited = visit_members(**opened, members, visit, context);
  return visited || sample.is_full() ? Result<void>{} : visited;
}

/// Schema modes rescue and approve need the rescue column from the start: nothing may be added later, or not without being asked for.
Result<InitialSchema> first_schema(const TargetStep& step, const std::vector<Field>& fields) {
  std::vector<std::string> metadata = step.ingestion.metadata_columns;
  const bool rescues = step.ingestion.schema.mode == SchemaMode::kRescue || step.ingestion.schema.mode == SchemaMode::kApprove;
  if (rescues && std::ranges::find(metadata, kRescuedColumn) == metadata.end()) metadata.emplace_back(kRescuedColumn);
  return initial_schema(fields, metadata);
}

bool may_add_columns(const TargetStep& step) {
  const SchemaMode mode = step.ingestion.schema.mode;
  return !step.contract && (mode == SchemaMode::kEvolve || mode == SchemaMode::kApprove);
}

Result<void> check_rules(const TargetStep& step, const Schema& table) { return step.rules->check(table, may_add_columns(step)); }

/// An existing table. Columns by definition are known before a file is read: where the table may change it gets them at once, and no file
/// is read twice for them.
Result<Target> with_defined(const TargetStep& step, TargetState state, const std::vector<ClaimedFile>& files, Context& context) {
  Target target{std::move(state), {}, {}};
  if (!step.rules) return target;
  if (step.ingestion.schema.mode == SchemaMode::kEvolve) {
    const auto missing = step.rules->missing_columns(target.state.schema, files);
    TRY_ASSIGN(target, evolve_target(step, std::move(target.state), missing, Evidence::kRefused, false, context));
  }
  TRY(check_rules(step, target.state.schema));
  return target;
}

/// Data never says that a column is required; a contract does.
void take_required(Schema& schema, const std::vector<Field>& contract) {
  for (const Field& wanted : contract) {
    const auto column = std::ranges::find(schema.fields, wanted.name, &Field::name);
    if (column != schema.fields.end()) column->required = wanted.required;
  }
}

bool has_data_column(const Schema& schema) {
  return std::ranges::any_of(schema.fields, [](const Field& field) { return !is_metadata_column(field.name); });
}

Result<Target> make_table(const TargetStep& step, InitialSchema initial, Context& context) {
  TRY_ASSIGN(TargetState state, step.sink.create({initial.schema, step.ingestion.partition_by, step.ingestion.table_properties}, context));
  Target target{std::move(state), {}, std::move(initial.warnings)};
  target.schema_changes.push_back(fmt::format("create table {} ({} columns)", target.state.pin.table, target.state.schema.fields.size()));
  return target;
}

/// nullopt: no file has a column yet.
Result<std::optional<Target>> create(const TargetStep& step, SampledColumns found, Context& context) {
  TRY_ASSIGN(InitialSchema initial, first_schema(step, found.fields));
  if (step.contract) take_required(initial.schema, step.contract->fields);
  if (!has_data_column(initial.schema)) return std::nullopt;
  if (step.rules) TRY(check_rules(step, initial.schema));  // before there is a table that would have to be dropped
  std::ranges::move(found.warnings, std::back_inserter(initial.warnings));
  TRY_ASSIGN(Target target, make_table(step, std::move(initial), context));
  return target;
}

/// Why a table of these columns could not take rows, or could never get what it lacks.
Result<void> check_first_schema(const TargetStep& step, const Schema& schema) {
  if (schema.fields.empty() || (!may_add_columns(step) && !has_data_column(schema))) {
    return invalid_input("no column has a value in its rows, and a table without columns would stay so");
  }
  TRY(check_partition_by(step.ingestion.partition_by, schema));
  return step.rules ? check_rules(step, schema) : Result<void>{};
}

/// A table of what rows have shown, which may be metadata columns alone: the others are added when they come, if they may be.
Result<Target> create_for_rows(const TargetStep& step, std::vector<Field> found, bool rescued, const std::vector<ClaimedFile>& files,
                               Context& context) {
  if (step.rules) found = merge_fields(std::move(found), step.rules->missing_columns({}, files));
  TRY_ASSIGN(InitialSchema initial, first_schema(step, found));
  if (rescued && !initial.warnings.empty()) initial.schema = plan_metadata_column(initial.schema, kRescuedColumn).proposed;
  if (auto usable = check_first_schema(step, initial.schema); !usable) {
    Error error = std::move(usable).error();
    error.type = error_type::kSchemaMismatch;
    return std::unexpected(std::move(error));
  }
  return make_table(step, std::move(initial), context);
}

Result<SampledColumns> columns_of_new_table(const TargetStep& step, const std::vector<ClaimedFile>& files, Context& context) {
  if (step.contract) return SampledColumns{step.contract->fields, {}};
  return sample_columns(step.stores, step.ingestion, files, step.rules.get(), step.sampled, context);
}

/// nullopt: there is none yet.
Result<std::optional<Target>> load_target(const TargetStep& step, const std::vector<ClaimedFile>& files, Context& context) {
  TRY_ASSIGN(const auto confirmed, newest_confirmed(step.ledger, step.ingestion));
  auto state = step.sink.load(context);
  if (state) {
    TRY(check_mark(step.ledger, step.sink, *state, step.ingestion, confirmed));
    if (!step.contract) return with_defined(step, *std::move(state), files, context);
    TRY_ASSIGN(Target target, evolve_target(step, *std::move(state), step.contract->fields, Evidence::kSample, false, context));
    if (step.rules) TRY(check_rules(step, target.state.schema));
    return target;
  }
  if (state.error().code != ErrorCode::kNotFound) return std::unexpected(state.error());
  if (!confirmed || !confirmed->target) return std::nullopt;
  return fail(ErrorCode::kCorruption,
              fmt::format("table {} is gone, but ingestion \"{}\" has loaded {} batches into it: it was dropped, or this is another "
                          "catalog. Nothing was loaded. Ways out: bring the table back, load under another name (--name), or "
                          "`sluice forget {} --all` to load everything into a new table",
                          confirmed->target->table, step.ingestion.name, confirmed->seq, step.ingestion.name));
}

/// The table, or what `create` makes where there is none; whoever loses the race for its name loads it.
template <class Create>
auto load_or(const TargetStep& step, const std::vector<ClaimedFile>& files, Create create, Context& context) -> decltype(create()) {
  for (int race = 0;; ++race) {
    TRY_ASSIGN(auto loaded, load_target(step, files, context));
    if (loaded) return *std::move(loaded);
    auto created = create();
    if (created || created.error().code != ErrorCode::kConflict || race == kRacesMax) return created;
  }
}

}  // namespace

const Source& source_of(const Ingestion& ingestion, const ClaimedFile& file) {
  auto it = std::ranges::find(ingestion.sources, file.source, &Source::id);
  return it == ingestion.sources.end() ? ingestion.sources.front() : *it;  // a source renamed since: read as the first one says
}

Result<SampledColumns> sample_columns(StoreProvider& stores, const Ingestion& ingestion, const std::vector<ClaimedFile>& files,
                                      const ColumnRules* rules, SampledFiles* sampled, Context& context) {
  const auto chosen = spread(files);
  Sample sample{ingestion, rules, chosen.size()};
  std::vector<char> buffer;
  std::map<std::pair<SourceId, std::string>, std::vector<const ClaimedFile*>> members;
  for (const ClaimedFile* file : chosen) {
    if (!file->archive.empty()) {
      members[{file->source, file->archive}].push_back(file);
      continue;
    }
    if (sample.is_full()) break;
    TRY(context.check());
    const Source& source = source_of(ingestion, *file);
    TRY_ASSIGN(ObjectStore * store, stores.store_for(file->path, source.store));
    auto input = open_sample(*store, source, *file, buffer, sampled, context);
    sample.take(*file, source, input, context);
  }
  for (const auto& [archive, of_archive] : members) {
    if (sample.is_full()) break;
    TRY(context.check());
    TRY(sample_members(stores, archive.second, of_archive, sample, context));
  }
  const bool has_columns = std::ranges::any_of(sample.columns.fields, [](const Field& field) { return field.type != nullptr; });
  if (rules && has_columns) sample.columns.fields = merge_fields(std::move(sample.columns.fields), rules->missing_columns({}, files));
  return std::move(sample.columns);
}

Result<std::optional<Target>> load_or_create(const TargetStep& step, const std::vector<ClaimedFile>& files, Context& context) {
  const auto create_from_sample = [&]() -> Result<std::optional<Target>> {
    TRY_ASSIGN(SampledColumns found, columns_of_new_table(step, files, context));
    return create(step, std::move(found), context);
  };
  return load_or(step, files, create_from_sample, context);
}

Result<Target> load_or_create_for_rows(const TargetStep& step, const std::vector<Field>& found, bool rescued,
                                       const std::vector<ClaimedFile>& files, Context& context) {
  return load_or(step, files, [&] { return create_for_rows(step, found, rescued, files, context); }, context);
}

EvolutionPlan plan_target(const TargetState& state, const std::vector<Field>& found, Evidence evidence, bool add_rescued, SchemaMode mode) {
  EvolutionPlan plan = plan_evolution(state.schema, found, mode, evidence);
  if (add_rescued && !state.schema.find(kRescuedColumn)) {
    Field column{0, std::string(kRescuedColumn), false, metadata_column_type(kRescuedColumn), ""};
    plan.changes.push_back({SchemaChange::kAddColumn, {column.name}, 0, column});
    plan.texts.push_back(fmt::format("add column {} string", kRescuedColumn));
    plan.proposed.fields.push_back(column);
  }
  return plan;
}

EvolutionPlan plan_drift(const TargetState& state, const std::vector<Field>& found, bool rescued, SchemaMode mode) {
  EvolutionPlan plan = plan_target(state, found, Evidence::kRefused, false, mode);
  if (!rescued || state.schema.find(kRescuedColumn)) return plan;
  // Only when the new columns do not take all that was rescued: most drift is one new column.
  const bool add_rescued = plan.empty() || !plan.refused.empty() || !plan.warnings.empty();
  return add_rescued ? plan_target(state, found, Evidence::kRefused, true, mode) : plan;
}

Result<Target> evolve_target(const TargetStep& step, TargetState state, const std::vector<Field>& found, Evidence evidence,
                             bool add_rescued, Context& context) {
  for (int race = 0;; ++race) {
    EvolutionPlan plan = plan_target(state, found, evidence, add_rescued, step.ingestion.schema.mode);
    if (plan.empty()) return Target{std::move(state), {}, std::move(plan.warnings)};
    auto evolved = step.sink.evolve(state, plan.proposed, context);
    if (evolved) return Target{*std::move(evolved), std::move(plan.texts), std::move(plan.warnings)};
    const ErrorCode code = evolved.error().code;
    // An unknown outcome is found out by loading: the change is there, or it is planned again (a schema change is safe to repeat).
    const bool again = code == ErrorCode::kConflict || code == ErrorCode::kOutcomeUnknown;
    if (!again || race == kRacesMax) return std::unexpected(evolved.error().within("changing the table's schema"));
    if (!step.clock.sleep(std::chrono::milliseconds(5 + 5 * race), context.stop)) TRY(context.check());
    TRY_ASSIGN(state, step.sink.load(context));
  }
}

}  // namespace sluice
