#include "pipeline/own_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/read_rules.h"
#include "pipeline/target.h"
#include "schema/evolution.h"
#include "schema/inference.h"

namespace sluice {
namespace {

/// A column that takes what was found, too. Members that it lacks are not added: their names have rules (plan_evolution).
TypePtr with_wider(const TypePtr& column, const TypePtr& found) {
  if (!found) return column;
  if (!column->is_nested() || column->id != found->id) return merge_types(column, found);
  Type type = *column;
  const bool is_struct = type.id == TypeId::kStruct;
  for (size_t i = type.id == TypeId::kMap ? 1 : 0; i < type.fields.size(); ++i) {
    Field& member = type.fields[i];
    const auto same =
        is_struct ? std::ranges::find(found->fields, member.name, &Field::name) : found->fields.begin() + static_cast<ptrdiff_t>(i);
    if (same != found->fields.end()) member.type = with_wider(member.type, same->type);
  }
  return std::make_shared<const Type>(std::move(type));
}

}  // namespace

Result<TargetState> own_columns(InputFile& input, const Schema* contract, const ClaimedFile& file, const Ingestion& ingestion,
                                const Source& source, const ColumnRules* rules, Context& context) {
  std::vector<Field> fields;
  TargetState own;
  if (contract) {
    fields = contract->fields;
  } else {
    TRY_ASSIGN(Inferred inferred, infer_columns(input, kOwnSampleBytes, file, ingestion, source, rules, context));
    fields = std::move(inferred.fields);
    own.warnings = std::move(inferred.warnings);
    for (Field& field : fields) {
      if (!field.type) field.type = metadata_column_type(kRescuedColumn);
    }
  }
  std::vector<std::string> metadata = ingestion.metadata_columns;
  const bool rescues_later = input.comes_once() && ingestion.schema.mode != SchemaMode::kFixed;
  if (rescues_later && std::ranges::find(metadata, kRescuedColumn) == metadata.end()) metadata.emplace_back(kRescuedColumn);
  TRY_ASSIGN(InitialSchema initial, initial_schema(fields, metadata));
  if (rules) TRY(rules->check(initial.schema, /*may_add=*/!contract));
  own.schema = std::move(initial.schema);
  return own;
}

std::optional<Schema> wider_own_columns(const TargetState& own, const Drift& drift, bool rescued, const Ingestion& ingestion,
                                        const ColumnRules* rules) {
  TargetState wider = own;
  bool is_wider = false;
  const bool may_widen = ingestion.schema.mode == SchemaMode::kEvolve && ingestion.schema.contract.empty();
  for (Field& column : wider.schema.fields) {
    const auto found = std::ranges::find(drift.columns, column.name, &Field::name);
    const bool is_settled = !may_widen || is_metadata_column(column.name) || (rules && rules->find(column.name));
    if (is_settled || found == drift.columns.end()) continue;
    const TypePtr before = std::exchange(column.type, with_wider(column.type, found->type));
    is_wider |= !same_type(*before, *column.type);
  }
  // What wider columns take is not rescued when the file is read again; what is left then asks for the rescue column.
  EvolutionPlan plan = plan_drift(wider, drift.columns, rescued && !is_wider, ingestion.schema.mode);
  if (plan.empty() && !is_wider) return std::nullopt;
  return std::move(plan.proposed);
}

Error columns_never_fit(int readings) {
  return {ErrorCode::kInvalidInput,
          fmt::format("its values did not fit after {} readings, each with the columns that the one before asked for", readings),
          std::string(error_type::kSchemaMismatch)};
}

}  // namespace sluice
