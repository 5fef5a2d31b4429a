#include "schema/contract.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include "schema/evolution.h"
#include "schema/names.h"

namespace sluice {
namespace {

/// Names listed in one message; more are counted.
constexpr size_t kNamesShownMax = 20;

class ContractReader {
 public:
  explicit ContractReader(std::string_view file) : file_(file) {}

  Result<Schema> read(const YAML::Node& root) {
    if (!root.IsMap()) return wrong(root, "a contract is a map with 'columns', a list of {name, type, required, doc}");
    TRY(only_keys(root, {"columns", "fields", "name", "version", "description"}));
    if (root["columns"] && root["fields"]) return wrong(root["fields"], "'fields' is another word for 'columns': give one of them");
    const YAML::Node columns = root["columns"] ? root["columns"] : root["fields"];
    if (!columns || !columns.IsSequence() || columns.size() == 0)
      return wrong(columns ? columns : root, "'columns' must be a list that is not empty");
    Schema schema;
    for (const YAML::Node& column : columns) {
      TRY_ASSIGN(Field field, read_column(column));
      schema.fields.push_back(std::move(field));
    }
    return schema;
  }

  std::unexpected<Error> wrong(const YAML::Mark& mark, std::string_view what) const {
    return invalid_input(fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, what));
  }

 private:
  std::unexpected<Error> wrong(const YAML::Node& node, std::string_view what) const { return wrong(node.Mark(), what); }

  Result<void> only_keys(const YAML::Node& map, std::initializer_list<std::string_view> known) const {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) return wrong(entry.first, "a key must be a word");
      const std::string& key = entry.first.Scalar();
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      // {name: a, type: decimal(9,2)}: YAML ends the type at the comma.
      const std::string_view hint = key.ends_with(')') || key.ends_with('>') ? "; a type with a comma needs quotes inside {}" : "";
      return wrong(entry.first, fmt::format("unknown key '{}', known are: {}{}", key, fmt::join(known, ", "), hint));
    }
    return {};
  }

  Result<Field> read_column(const YAML::Node& column) {
    if (!column.IsMap()) return wrong(column, "a column is a map {name, type, required, doc}");
    TRY(only_keys(column, {"name", "type", "required", "doc"}));
    const YAML::Node name = column["name"], type = column["type"], required = column["required"], doc = column["doc"];
    if (!name || !name.IsScalar() || name.Scalar().empty()) return wrong(name ? name : column, "a column needs a 'name'");
    Field field = {.name = name.Scalar()};
    if (is_metadata_column(field.name)) return wrong(name, fmt::format("'{}' is the name of a metadata column", field.name));
    if (const std::string* other = names_.find(field.name)) {
      return wrong(name, fmt::format("column '{}' is there already (as '{}'; names are compared without case)", field.name, *other));
    }
    names_.add(field.name);
    if (!type || !type.IsScalar()) return wrong(type ? type : column, fmt::format("column '{}' needs a 'type'", field.name));
    auto parsed = parse_type(type.Scalar());
    if (!parsed) return wrong(type, fmt::format("column '{}': {}", field.name, parsed.error().message));
    field.type = *std::move(parsed);
    if (required && !YAML::convert<bool>::decode(required, field.required)) return wrong(required, "'required' is true or false");
    if (doc && !doc.IsScalar()) return wrong(doc, "'doc' is a text");
    if (doc) field.doc = doc.Scalar();
    return field;
  }

  std::string_view file_;
  FoldedNames names_;
};

std::string list_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShownMax)));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (names.size() > shown.size()) text += fmt::format(" and {} more", names.size() - shown.size());
  return text;
}

}  // namespace

Result<Schema> parse_contract(std::string_view yaml, std::string_view file) {
  ContractReader reader(file);
  try {
    return reader.read(YAML::Load(std::string(yaml)));
  } catch (const YAML::Exception& error) {
    return reader.wrong(error.mark, error.msg);
  }
}

Result<Schema> load_contract(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text(static_cast<size_t>(kContractBytesMax) + 1, '\0');
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad())
    return invalid_input(fmt::format("contract '{}' cannot be read: check the path and its permissions", path));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (static_cast<int64_t>(text.size()) > kContractBytesMax) {
    return invalid_input(fmt::format("contract '{}' has more than {} bytes: is it a contract?", path, kContractBytesMax));
  }
  return parse_contract(text, path);
}

std::optional<std::string> check_header(const Schema& contract, const std::vector<std::string>& header, bool optional_may_miss) {
  std::unordered_set<std::string_view> names(header.begin(), header.end());
  std::vector<std::string> missing, unexpected, repeated;
  for (const Field& field : contract.fields) {
    if (!names.contains(field.name) && (field.required || !optional_may_miss)) missing.push_back(field.name);
  }
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : header) {
    if (contract.find(name) == nullptr) unexpected.push_back(name);
    if (!seen.insert(name).second) repeated.push_back(name);
  }
  std::string text;
  const auto add = [&](std::string_view what, const std::vector<std::string>& list) {
    if (!list.empty()) text += fmt::format("{}{} columns: {}", text.empty() ? "" : "; ", what, list_names(list));
  };
  add("missing", missing);
  add("unexpected", unexpected);
  add("repeated", repeated);
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace sluice
