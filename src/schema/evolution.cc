#include "schema/evolution.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schema/names.h"

namespace sluice {
namespace {

struct MetadataColumn {
  std::string_view name;
  TypeId type;
};

constexpr std::array kMetadataColumns = {
    MetadataColumn{kRescuedColumn, TypeId::kString},   MetadataColumn{"_source_file", TypeId::kString},
    MetadataColumn{"_source_row", TypeId::kLong},      MetadataColumn{"_loaded_at", TypeId::kTimestamptz},
    MetadataColumn{"_source_system", TypeId::kString}, MetadataColumn{"_batch_id", TypeId::kString},
};

using Path = std::vector<std::string>;

std::string text_of(const Path& path) { return fmt::format("{}", fmt::join(path, ".")); }

Path below(const Path& path, std::string_view name) {
  Path longer = path;
  longer.emplace_back(name);
  return longer;
}

/// The narrowest type Iceberg lets `column` become that holds what `found` holds too; nullptr: there is none.
TypePtr widened(const Type& column, const Type& found) {
  if (column.id == TypeId::kInt && found.id == TypeId::kLong) return make_type(TypeId::kLong);
  if (column.id == TypeId::kFloat && found.id == TypeId::kDouble) return make_type(TypeId::kDouble);
  if (column.id != TypeId::kDecimal || found.id != TypeId::kDecimal || found.scale > column.scale) return nullptr;
  const int precision = found.precision - found.scale + column.scale;
  return precision > column.precision && precision <= 38 ? make_decimal(precision, column.scale) : nullptr;
}

/// Whether values that inference calls `found` may all fit the column as it is.
bool may_hold(const Type& column, const Type& found, Evidence evidence) {
  if (column.is_nested() || found.is_nested()) return column.id == found.id;
  if (column.id == TypeId::kString || same_type(column, found)) return true;
  if (evidence == Evidence::kRefused) return false;
  switch (column.id) {
    case TypeId::kInt:
    case TypeId::kLong: return found.id == TypeId::kInt || found.id == TypeId::kLong;
    case TypeId::kFloat:
    case TypeId::kDouble:
    case TypeId::kDecimal:
      return found.id == TypeId::kInt || found.id == TypeId::kLong || found.id == TypeId::kFloat || found.id == TypeId::kDouble ||
             found.id == TypeId::kDecimal;
    case TypeId::kTimestamp: return found.id == TypeId::kDate;
    case TypeId::kTime:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary: return found.id == TypeId::kString;
    default: return false;
  }
}

/// Walks table and found fields side by side; what it decides goes into the plan.
class Planner {
 public:
  Planner(SchemaMode mode, Evidence evidence, EvolutionPlan& plan) : mode_(mode), evidence_(evidence), plan_(plan) {}

  /// Adds to `fields` (members of `parent_id`, with `depth` levels above them) and changes them as `found` asks.
  void plan_fields(std::vector<Field>& fields, const std::vector<Field>& found, const Path& path, int parent_id, int depth) {
    FoldedNames names;
    for (const Field& field : fields) names.add(field.name);
    for (const Field& candidate : found) {
      if (!candidate.type) continue;
      const auto same = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == candidate.name; });
      // New fields were cleaned when they were added: only what the table had is compared.
      if (same != fields.end() && !(path.empty() && is_metadata_column(candidate.name))) {
        plan_type(*same, *candidate.type, below(path, candidate.name), depth);
      } else if (may_add(names, candidate.name, path) && may_nest(candidate, path, depth)) {
        add(fields, names, candidate, path, parent_id);
      }
    }
  }

 private:
  bool may_change() const { return mode_ == SchemaMode::kEvolve || mode_ == SchemaMode::kApprove; }

  void warn(const Path& path, std::string_view name, std::string_view why) {
    plan_.warnings.push_back(fmt::format("column '{}' {}: its values are rescued", text_of(below(path, name)), why));
  }

  bool may_add(const FoldedNames& names, const std::string& name, const Path& path) {
    if (name.empty()) {
      warn(path, name, "has no name");
    } else if (path.empty() && is_metadata_column(name)) {
      warn(path, name, "has the name of a metadata column");
    } else if (const std::string* other = names.find(name)) {
      warn(path, name, fmt::format("differs only in case from '{}'", *other));
    } else {
      return true;
    }
    return false;
  }

  bool may_nest(const Field& candidate, const Path& path, int depth) {
    const bool may = depth + type_depth(*candidate.type) <= kTypeDepthMax;
    if (!may) warn(path, candidate.name, fmt::format("is nested deeper than {} levels (a list counts two)", kTypeDepthMax));
    return may;
  }

  /// A found type made fit for a table: no ids, all optional, no colliding members.
  TypePtr clean(const Type& type, const Path& path) {
    if (!type.is_nested()) return std::make_shared<const Type>(type);
    if (type.id == TypeId::kList) return make_list(clean(*type.fields[0].type, below(path, "element")));
    if (type.id == TypeId::kMap) {
      return make_map(clean(*type.fields[0].type, below(path, "key")), clean(*type.fields[1].type, below(path, "value")));
    }
    std::vector<Field> members;
    FoldedNames names;
    for (const Field& member : type.fields) {
      if (!member.type || !may_add(names, member.name, path)) continue;
      names.add(member.name);
      members.push_back({.name = member.name, .type = clean(*member.type, below(path, member.name)), .doc = member.doc});
    }
    return make_struct(std::move(members));
  }

  void add(std::vector<Field>& fields, FoldedNames& names, const Field& candidate, const Path& path, int parent_id) {
    const Path full = below(path, candidate.name);
    Field field = {.name = candidate.name, .type = clean(*candidate.type, full), .doc = candidate.doc};
    std::string text = fmt::format("add column {} {}", text_of(full), to_text(*field.type));
    if (!may_change()) return refuse_by_mode(text);
    names.add(field.name);
    plan_.texts.push_back(std::move(text));
    plan_.changes.push_back({SchemaChange::kAddColumn, full, parent_id, field});
    fields.push_back(std::move(field));
  }

  void refuse_by_mode(std::string_view text) { plan_.refused.push_back(fmt::format("{} (not in schema mode {})", text, to_string(mode_))); }

  void plan_type(Field& column, const Type& found, const Path& path, int depth) {
    if (column.type->is_nested() && column.type->id == found.id) return plan_nested(column, found, path, depth);
    // A sample of integers is called long whatever their size: no proof that an int column is too narrow.
    if (may_hold(*column.type, found, evidence_)) return;
    TypePtr wider = widened(*column.type, found);
    if (!wider) {
      plan_.refused.push_back(
          fmt::format("{} {} -> {}: no allowed widening, such values do not fit", text_of(path), to_text(*column.type), to_text(found)));
      return;
    }
    std::string text = fmt::format("widen {} {} -> {}", text_of(path), to_text(*column.type), to_text(*wider));
    if (!may_change()) return refuse_by_mode(text);
    column.type = std::move(wider);
    plan_.texts.push_back(std::move(text));
    plan_.changes.push_back({SchemaChange::kWidenType, path, 0, column});
  }

  void plan_nested(Field& column, const Type& found, const Path& path, int depth) {
    Type type = *column.type;
    depth += levels_of(type.id);
    if (type.id == TypeId::kStruct) {
      plan_fields(type.fields, found.fields, path, column.id, depth);
    } else {
      // A map's keys may not change: two keys could become one.
      for (size_t i = type.id == TypeId::kMap ? 1 : 0; i < type.fields.size(); ++i) {
        plan_type(type.fields[i], *found.fields[i].type, below(path, type.fields[i].name), depth);
      }
    }
    column.type = std::make_shared<const Type>(std::move(type));
  }

  SchemaMode mode_;
  Evidence evidence_;
  EvolutionPlan& plan_;
};

}  // namespace

bool is_metadata_column(std::string_view name) {
  const std::string folded = fold_case(name);
  return std::any_of(kMetadataColumns.begin(), kMetadataColumns.end(), [&](const MetadataColumn& column) { return column.name == folded; });
}

TypePtr metadata_column_type(std::string_view name) {
  for (const MetadataColumn& column : kMetadataColumns) {
    if (column.name == name) return make_type(column.type);
  }
  return nullptr;
}

EvolutionPlan plan_evolution(const Schema& table, const std::vector<Field>& found, SchemaMode mode, Evidence evidence) {
  EvolutionPlan plan;
  plan.proposed = table;
  Planner(mode, evidence, plan).plan_fields(plan.proposed.fields, found, {}, 0, 0);
  return plan;
}

EvolutionPlan plan_metadata_column(const Schema& table, std::string_view name) {
  EvolutionPlan plan;
  plan.proposed = table;
  if (table.find(name) != nullptr) return plan;
  Field field = {.name = std::string(name), .type = metadata_column_type(name)};
  plan.texts.push_back(fmt::format("add column {} {}", name, to_text(*field.type)));
  plan.changes.push_back({SchemaChange::kAddColumn, {field.name}, 0, field});
  plan.proposed.fields.push_back(std::move(field));
  return plan;
}

Result<InitialSchema> initial_schema(const std::vector<Field>& found, const std::vector<std::string>& metadata_columns) {
  EvolutionPlan plan = plan_evolution({}, found, SchemaMode::kEvolve, Evidence::kSample);
  InitialSchema initial = {std::move(plan.proposed), std::move(plan.warnings)};
  for (const std::string& name : metadata_columns) {
    if (!metadata_column_type(name)) {
      return invalid_input(
          fmt::format("unknown metadata column '{}': there are _rescued_data, _source_file, _source_row, _loaded_at, "
                      "_source_system, _batch_id",
                      name));
    }
    initial.schema = plan_metadata_column(initial.schema, name).proposed;
  }
  return initial;
}

}  // namespace sluice
