#include "config/column_yaml.h"

#include <fmt/format.h>

#include "pipeline/column_rules.h"

namespace sluice {
namespace {

Result<void> apply_optional(YamlMap& map, std::string_view key, std::optional<std::string>& into) {
  return map.apply(key, [](const std::string& text) -> Result<std::string> { return text; }, into);
}

Result<void> read_check(YamlMap& map, ColumnCheck& check) {
  TRY(map.apply_switch("required", check.required));
  TRY(apply_optional(map, "min", check.min));
  TRY(apply_optional(map, "max", check.max));
  const bool lists_values = map.has("in");
  TRY(map.apply_texts("in", check.in));
  if (lists_values && check.in.empty())
    return std::unexpected(map.error("check.in: an empty list allows no value; name some, or leave it out"));
  return map.apply_text("pattern", check.pattern);
}

Result<ColumnDefinition> read_definition(const YamlFile& file, const YAML::Node& node) {
  TRY_ASSIGN(YamlMap map, YamlMap::open(file, node, "column"));
  ColumnDefinition column;
  TRY(map.apply_text("name", column.name));
  TRY(map.apply_text("from", column.from));
  TRY(map.apply_text("type", column.type));
  TRY(apply_optional(map, "value", column.value));
  TRY(map.apply_text("path_pattern", column.path_pattern));
  TRY(map.apply_switch("json", column.json));
  TRY(map.apply_map("check", [&](YamlMap& check) { return read_check(check, column.check); }));
  TRY(map.finish());
  return column;
}

/// Checked for itself and against those before it.
Result<void> add_column(const YamlFile& file, const YAML::Node& node, std::vector<ColumnDefinition>& into) {
  TRY_ASSIGN(ColumnDefinition column, read_definition(file, node));
  const auto at_node = [&](const Error& error) { return std::unexpected(error_at(file, node.Mark(), error.message)); };
  if (const auto rule = read_column_rule(column); !rule) return at_node(rule.error());
  into.push_back(std::move(column));
  if (const auto checked = check_last_rule(into); !checked) return at_node(checked.error());
  return {};
}

}  // namespace

Result<void> read_columns(YamlMap& schema, std::vector<ColumnDefinition>& into) {
  const std::optional<YAML::Node> columns = schema.take("columns");
  if (!columns) return {};
  if (!columns->IsSequence()) {
    return std::unexpected(error_at(schema.file(), columns->Mark(), "columns: expected a list of {name, from, type, ...}"));
  }
  for (const YAML::Node& node : *columns) TRY(add_column(schema.file(), node, into));
  return {};
}

Result<void> read_column_text(const std::string& text, std::vector<ColumnDefinition>& into) {
  const YamlFile file{.name = "--column", .folder = "/", .environment = {}, .trusted = false};
  try {
    return add_column(file, YAML::Load(text.starts_with('{') ? text : "{" + text + "}"), into);
  } catch (const YAML::Exception& error) {
    return invalid_input(fmt::format("not readable: {}; write it like \"name: amount, type: 'decimal(12,2)'\"", error.msg));
  }
}

}  // namespace sluice
