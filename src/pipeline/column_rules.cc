#include "pipeline/column_rules.h"

#include <algorithm>

#include <fmt/format.h>

#include "pipeline/column_check.h"
#include "pipeline/path_columns.h"
#include "schema/evolution.h"
#include "schema/inference.h"
#include "schema/names.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

/// Whether a column of type `wide` holds every value of type `narrow`, as Iceberg would let one become the other.
bool holds_all(const Type& wide, const Type& narrow) {
  if (same_type(wide, narrow)) return true;
  Schema table;
  table.fields.push_back({.id = 1, .name = "x", .type = std::make_shared<Type>(narrow)});
  const EvolutionPlan plan =
      plan_evolution(table, {{.name = "x", .type = std::make_shared<Type>(wide)}}, SchemaMode::kEvolve, Evidence::kRefused);
  return !plan.empty() && same_type(*plan.proposed.fields.front().type, wide);
}

Result<TypePtr> type_given(const ColumnDefinition& definition) {
  if (definition.type.empty()) return definition.json ? make_type(TypeId::kString) : nullptr;
  TRY_ASSIGN(TypePtr type, parse_type(definition.type));
  if (definition.json && type->id != TypeId::kString) return invalid_input("json: the column is a string; leave out type");
  if (definition.of_file() && type->is_nested()) return invalid_input("type: one value per file cannot be nested");
  return type;
}

Result<void> check_sources(const ColumnDefinition& definition) {
  const int sources = !definition.from.empty() + definition.value.has_value() + !definition.path_pattern.empty();
  if (sources > 1) return invalid_input("from, value and path_pattern: give one of them");
  if (definition.json && definition.of_file()) return invalid_input("json is for fields of the files, not for value and path_pattern");
  return {};
}

Result<void> read_parts(ColumnRule& rule) {
  const ColumnDefinition& definition = rule.definition;
  TRY(check_sources(definition));
  TRY_ASSIGN(rule.type, type_given(definition));
  if (definition.value && rule.type && !read_literal(*rule.type, *definition.value)) {
    return invalid_input(fmt::format("value: \"{}\" is no {}", *definition.value, to_text(*rule.type)));
  }
  if (!definition.path_pattern.empty()) {
    auto pattern = TextPattern::compile(definition.path_pattern);
    if (!pattern) return std::unexpected(pattern.error().within("path_pattern"));
    if (!pattern->has_group()) return invalid_input("path_pattern: it has no group; write ( ) around what becomes the value");
    rule.path_pattern.emplace(*std::move(pattern));
  }
  if (!definition.check.pattern.empty()) {
    const auto pattern = TextPattern::compile(definition.check.pattern);
    if (!pattern) return std::unexpected(pattern.error().within("check.pattern"));
  }
  if (rule.type && definition.check.any()) TRY(ColumnChecker::make(definition.check, definition.name, *rule.type, !definition.json));
  return {};
}

}  // namespace

Error schema_mismatch(std::string message) {
  return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kSchemaMismatch)};
}

Result<ColumnRule> read_column_rule(const ColumnDefinition& definition) {
  if (definition.name.empty()) return invalid_input("a column needs a name");
  if (is_metadata_column(definition.name)) {
    return invalid_input(fmt::format("column \"{}\": that is the name of a metadata column", definition.name));
  }
  ColumnRule rule{.definition = definition, .type = nullptr, .path_pattern = std::nullopt};
  if (auto read = read_parts(rule); !read) return std::unexpected(read.error().within(fmt::format("column \"{}\"", definition.name)));
  return rule;
}

Result<void> check_last_rule(std::span<const ColumnDefinition> definitions) {
  const ColumnDefinition& last = definitions.back();
  const auto field_of = [](const ColumnDefinition& one) { return one.of_file() ? "" : one.from.empty() ? one.name : one.from; };
  for (const ColumnDefinition& other : definitions.first(definitions.size() - 1)) {
    if (fold_case(other.name) == fold_case(last.name)) {
      return invalid_input(
          fmt::format("column \"{}\" is defined already (as \"{}\"; names are compared without case)", last.name, other.name));
    }
    if (!last.of_file() && field_of(other) == field_of(last)) {
      return invalid_input(
          fmt::format("column \"{}\": the field \"{}\" becomes column \"{}\" already", last.name, field_of(last), other.name));
    }
  }
  return {};
}

Result<std::shared_ptr<const ColumnRules>> ColumnRules::make(const SchemaOptions& schema) {
  if (schema.columns.empty() && !schema.hive_partitioning) return nullptr;
  auto rules = std::make_shared<ColumnRules>();
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    TRY_ASSIGN(ColumnRule rule, read_column_rule(schema.columns[i]));
    TRY(check_last_rule(std::span(schema.columns).first(i + 1)));
    rules->rules_.push_back(std::move(rule));
  }
  rules->hive_ = schema.hive_partitioning;
  rules->has_contract_ = !schema.contract.empty();
  rules->infer_ = schema.infer;
  return rules;
}

const ColumnRule* ColumnRules::find(std::string_view column) const {
  const auto at = std::ranges::find_if(rules_, [&](const ColumnRule& rule) { return rule.name() == column; });
  return at == rules_.end() ? nullptr : &*at;
}

const ColumnRule* ColumnRules::renames(std::string_view field) const {
  const auto at =
      std::ranges::find_if(rules_, [&](const ColumnRule& rule) { return !rule.definition.from.empty() && rule.definition.from == field; });
  return at == rules_.end() ? nullptr : &*at;
}

TypePtr ColumnRules::type_of(const std::string& text) const {
  ColumnGuess guess(infer_);
  guess.see_text(text);
  return guess.type();
}

Result<std::vector<FileColumn>> ColumnRules::columns_of(const ClaimedFile& file) const {
  std::vector<FileColumn> columns;
  const auto add = [&](const std::string& name, const std::string& field, std::optional<std::string> text, TypePtr type) {
    if (!type && text) type = type_of(*text);
    columns.push_back({name, field, std::move(text), std::move(type)});
  };
  for (const ColumnRule& rule : rules_) {
    if (rule.definition.value) add(rule.name(), rule.name(), rule.definition.value, rule.type);
    if (!rule.path_pattern) continue;
    TextPattern pattern = *rule.path_pattern;
    auto found = pattern.find(file.path);
    if (!found) {
      return std::unexpected(schema_mismatch(
          fmt::format("column \"{}\": its path_pattern {} is not found in the file's path", rule.name(), rule.definition.path_pattern)));
    }
    add(rule.name(), rule.name(), std::move(found->first_group), rule.type);
  }
  if (!hive_) return columns;
  for (HiveColumn& folder : hive_columns(file)) {
    const ColumnRule* rule = renames(folder.key) ? renames(folder.key) : find(folder.key);
    const bool is_other = rule && (rule->definition.of_file() || rule->field() != folder.key);  // that column has another source
    if (!is_other) add(rule ? rule->name() : folder.key, folder.key, std::move(folder.value), rule ? rule->type : nullptr);
  }
  return columns;
}

Result<Inferred> ColumnRules::table_columns(Inferred found, const ClaimedFile& file) const {
  TRY_ASSIGN(const auto of_file, columns_of(file));
  const auto name_of = [&](const std::string& field) -> std::string {
    const ColumnRule* rule = renames(field);
    return rule ? rule->name() : field;
  };
  const auto is_field = [&](const std::string& field) { return std::ranges::find(of_file, field, &FileColumn::field) == of_file.end(); };
  const auto is_displaced = [&](const std::string& field) {  // by a field that is renamed
    const ColumnRule* rule = find(field);
    return !renames(field) && rule && !rule->definition.of_file() && rule->field() != field;
  };
  Inferred table{.fields = {}, .header = {}, .rows = found.rows, .warnings = std::move(found.warnings)};
  for (const std::string& field : found.header) {
    if (is_field(field)) table.header.push_back(name_of(field));
  }
  for (Field& field : found.fields) {
    if (!is_field(field.name) || is_displaced(field.name)) continue;
    field.name = name_of(field.name);
    if (const ColumnRule* rule = find(field.name); rule && rule->type) field.type = rule->type;
    table.fields.push_back(std::move(field));
  }
  for (const FileColumn& column : of_file) table.header.push_back(column.name);
  if (std::ranges::none_of(table.fields, [](const Field& field) { return field.type != nullptr; })) return table;
  for (const ColumnRule& rule : rules_) {
    const bool is_there = std::ranges::find(table.fields, rule.name(), &Field::name) != table.fields.end() ||
                          std::ranges::find(of_file, rule.name(), &FileColumn::name) != of_file.end();
    if (!is_there && rule.type) table.fields.push_back({.name = rule.name(), .type = rule.type});
  }
  for (const FileColumn& column : of_file) table.fields.push_back({.name = column.name, .type = column.type});
  return table;
}

std::optional<Field> ColumnRules::drifted(Field field, const Schema& table, std::span<const FileColumn> of_file) const {
  if (std::ranges::find(of_file, field.name, &FileColumn::field) != of_file.end()) return std::nullopt;
  if (const ColumnRule* rule = renames(field.name))
    field.name = rule->name();
  else if (const ColumnRule* displaces = find(field.name); displaces && displaces->field() != field.name)
    return std::nullopt;
  const ColumnRule* rule = find(field.name);
  if (!rule || !rule->type) return field;
  if (table.find(field.name)) return std::nullopt;  // the definition says what it is
  field.type = rule->type;
  return field;
}

std::vector<Field> ColumnRules::missing_columns(const Schema& table, std::span<const ClaimedFile> files) const {
  std::vector<Field> wanted;
  for (const ClaimedFile& file : files) {
    const auto of_file = columns_of(file);
    if (!of_file) continue;  // reading it will say why
    std::vector<Field> fields;
    for (const FileColumn& column : *of_file) fields.push_back({.name = column.name, .type = column.type});
    wanted = merge_fields(std::move(wanted), fields);
  }
  std::vector<Field> defined;
  for (const ColumnRule& rule : rules_) {
    if (rule.type) defined.push_back({.name = rule.name(), .type = rule.type});
  }
  wanted = merge_fields(std::move(wanted), defined);
  std::erase_if(wanted, [&](const Field& field) {
    const ColumnRule* rule = find(field.name);
    const Field* there = table.find(field.name);
    // What was only guessed widens nothing: a value that does not fit will.
    return !field.type || (there && (!rule || !rule->type || holds_all(*there->type, *rule->type)));
  });
  return wanted;
}

Result<void> ColumnRules::check(const Schema& table, bool may_add) const {
  for (const ColumnRule& rule : rules_) {
    const Field* column = table.find(rule.name());
    const Result<void> checked = column ? check_column(rule, *column) : check_absent(rule, table, may_add);
    if (!checked) return std::unexpected(checked.error().within(fmt::format("column \"{}\" (by definition)", rule.name())));
  }
  return {};
}

Result<void> ColumnRules::check_absent(const ColumnRule& rule, const Schema& table, bool may_add) const {
  for (const Field& field : table.fields) {
    if (fold_case(field.name) != fold_case(rule.name())) continue;
    return invalid_input(
        fmt::format("it differs only in case from \"{}\", which is there already; define it under another name", field.name));
  }
  if (may_add || (!rule.type && !rule.definition.of_file() && !rule.definition.check.required)) return {};
  return invalid_input(has_contract_ ? "the contract has no such column: add it there, or leave out its definition"
                                     : "the table has no such column, and none is added in this schema mode: load once in mode evolve");
}

Result<void> ColumnRules::check_column(const ColumnRule& rule, const Field& column) const {
  if (rule.type && !holds_all(*column.type, *rule.type)) {
    return invalid_input(
        fmt::format("it is {0} in the {2}, defined is {1}, and Iceberg does not let one become the other; define it as {0}, "
                    "or load into another table",
                    to_text(*column.type), to_text(*rule.type), has_contract_ ? "contract" : "table"));
  }
  if (rule.definition.value && (column.type->is_nested() || !read_literal(*column.type, *rule.definition.value))) {
    return invalid_input(
        fmt::format("its value \"{}\" does not fit the table's column, which is {}", *rule.definition.value, to_text(*column.type)));
  }
  if (!rule.definition.check.any()) return {};
  TRY(ColumnChecker::make(rule.definition.check, rule.name(), *column.type, rule.type != nullptr));
  return {};
}

}  // namespace sluice
