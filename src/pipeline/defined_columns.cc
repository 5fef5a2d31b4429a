#include "pipeline/defined_columns.h"

#include <algorithm>

#include <arrow/array.h>
#include <fmt/format.h>

#include "model/file.h"
#include "schema/arrow_schema.h"
#include "schema/column_writer.h"
#include "schema/inference.h"

namespace sluice {
namespace {

/// Formats whose values have types: a string there is a string. Elsewhere all is text.
bool has_types(const Format& format) { return format.name() != "csv" && format.name() != "text" && format.name() != "sql"; }

/// Types that are not read from a string, for a string says that it is none of them.
bool is_never_a_string(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean:
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kFloat:
    case TypeId::kDouble: return true;
    default: return false;
  }
}

/// One row; nullptr: the text does not fit.
std::shared_ptr<arrow::Array> one_value(const Field& column, const std::optional<std::string>& text) {
  Field optional = column;
  optional.required = false;
  ColumnWriter writer(optional);
  if (!text) {
    writer.append_null();
  } else if (!writer.append_text(*text)) {
    return nullptr;
  }
  return arrow::MakeArray(writer.take(to_arrow(*column.type)));
}

}  // namespace

Result<std::shared_ptr<const DefinedColumns>> DefinedColumns::bind(std::shared_ptr<const ColumnRules> rules, const ReadPlan& plan,
                                                                   const Format& format, const ClaimedFile& file) {
  auto bound = std::make_shared<DefinedColumns>();
  bound->rules_ = std::move(rules);
  bound->plan_ = plan;
  bound->file_plan_ = plan;
  bound->file_plan_.columns.fields.clear();
  bound->file_plan_.typed_by_user.clear();
  if (auto checked = bound->rules_->check(plan.columns, /*may_add=*/true); !checked)
    return std::unexpected(schema_mismatch(checked.error().message));
  TRY_ASSIGN(bound->of_file_, bound->rules_->columns_of(file));
  for (const Field& field : plan.columns.fields) TRY(bound->bind_column(field, has_types(format)));
  TRY(bound->bind_file_columns());
  bound->file_plan_.rescue |= bound->takes_leftovers_;
  bound->takes_leftovers_ |= !bound->rescued_of_file_.empty();
  return bound;
}

Result<void> DefinedColumns::bind_column(const Field& field, bool is_typed) {
  DefinedColumn& column = columns_.emplace_back();
  const ColumnRule* rule = rules_->find(field.name);
  if (rule && rule->definition.check.any()) {
    TRY_ASSIGN(column.checker, ColumnChecker::make(rule->definition.check, field.name, *field.type, rule->type != nullptr));
  }
  const auto of_file = std::ranges::find(of_file_, field.name, &FileColumn::name);
  if (of_file != of_file_.end()) {
    column.kind = DefinedColumn::kOfFile;
    column.value = one_value(field, of_file->text);
    if (column.value) return {};
    column.value = one_value(field, std::nullopt);
    return leave_over(*of_file, fmt::format("\"{}\" does not fit {}", *of_file->text, to_text(*field.type)));
  }
  Field in_file = field;
  if (rule) in_file.name = rule->field();
  append_json_string(in_file.name, column.key);
  if (!rule && rules_->renames(field.name)) {
    column.kind = DefinedColumn::kNull;
    if (!field.required) return {};
    return std::unexpected(
        schema_mismatch(fmt::format("the required column \"{}\" has no field: the file's becomes column \"{}\" by definition", field.name,
                                    rules_->renames(field.name)->name())));
  }
  const bool json = rule && rule->definition.json;
  if (json && is_typed) {
    column.kind = DefinedColumn::kJsonText;
    takes_leftovers_ = true;
    return {};
  }
  if (json) column.kind = DefinedColumn::kTextJson;
  if (is_typed && rule && rule->type && is_never_a_string(*field.type)) {
    column.kind = DefinedColumn::kTakenUp;
    takes_leftovers_ = true;
    in_file.required = false;
  }
  const bool typed_by_contract = std::ranges::find(plan_.typed_by_user, field.name) != plan_.typed_by_user.end();
  if (typed_by_contract || (rule && rule->type)) file_plan_.typed_by_user.push_back(in_file.name);
  column.source = static_cast<int>(file_plan_.columns.fields.size());
  file_plan_.columns.fields.push_back(std::move(in_file));
  return {};
}

/// Fields of the files that a value of the file stands for are read and dropped; values without a column go by the schema's mode.
Result<void> DefinedColumns::bind_file_columns() {
  for (const FileColumn& column : of_file_) {
    if (!file_plan_.columns.find(column.field)) {
      file_plan_.columns.fields.push_back({.id = 0, .name = column.field, .type = make_type(TypeId::kString)});
    }
    // A contract names all columns there are, so a folder that it does not name is none.
    if (plan_.columns.find(column.name) || !column.text || rules_->has_contract()) continue;
    TRY(leave_over(column, "the table has no such column"));
  }
  return {};
}

/// Of every row, as the schema's mode says.
Result<void> DefinedColumns::leave_over(const FileColumn& column, const std::string& why) {
  if (!plan_.rescue)
    return std::unexpected(schema_mismatch(fmt::format("column \"{}\", a value of the file's path: {}", column.name, why)));
  rescued_of_file_ += rescued_of_file_.empty() ? "" : ", ";
  append_json_string(column.field, rescued_of_file_);
  rescued_of_file_ += ": ";
  append_json_string(*column.text, rescued_of_file_);
  const ColumnRule* rule = rules_->find(column.name);
  const bool is_defined = plan_.columns.find(column.name) && rule && rule->type;
  if (plan_.report_drift && !is_defined) drift_of_file_.push_back({.name = column.name, .type = column.type});
  return {};
}

Drift DefinedColumns::drift(const Drift& of_fields) const {
  std::vector<Field> columns;
  for (const Field& field : of_fields.columns) {
    if (auto drifted = rules_->drifted(field, plan_.columns, of_file_)) columns.push_back(*std::move(drifted));
  }
  return {merge_fields(std::move(columns), drift_of_file_)};
}

std::optional<std::string> DefinedColumns::missing_column(const Drift& of_fields) const {
  for (const ColumnRule& rule : rules_->all()) {
    if (!rule.definition.check.required || plan_.columns.find(rule.name())) continue;
    const std::vector<Field> found = drift(of_fields).columns;  // it will be there, and the rows are read again
    if (std::ranges::find(found, rule.name(), &Field::name) == found.end()) return rule.name();
  }
  return std::nullopt;
}

}  // namespace sluice
