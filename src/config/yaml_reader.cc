#include "config/yaml_reader.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "config/fields.h"

namespace sluice {
namespace {

constexpr size_t kSecretBytesMax = 64 * 1024;

Result<std::string> read_secret_file(const YamlFile& file, const std::string& path) {
  const std::string full = path.starts_with('/') ? path : file.folder + "/" + path;
  std::ifstream in(full, std::ios::binary);
  if (!in) return invalid_input(fmt::format("${{file:{}}}: {} cannot be read", path, full));
  std::string text(kSecretBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kSecretBytesMax) return invalid_input(fmt::format("${{file:{}}}: larger than {} bytes", path, kSecretBytesMax));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

Result<std::string> value_of(const YamlFile& file, const std::string& reference) {
  if (reference.starts_with("env:")) {
    const std::string name = reference.substr(4);
    if (std::optional<std::string> value = file.environment(name)) return *std::move(value);
    return invalid_input(fmt::format("${{env:{}}}: the environment has no {}", name, name));
  }
  if (reference.starts_with("file:")) return read_secret_file(file, reference.substr(5));
  return invalid_input(fmt::format("${{{}}}: write ${{env:NAME}} or ${{file:PATH}} ($${{ for a plain ${{)", reference));
}

Result<std::string> expand(const YamlFile& file, std::string_view text) {
  std::string expanded;
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      expanded += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const size_t end = text.find('}');
      if (end == std::string_view::npos) return invalid_input("\"${\" without \"}\"");
      TRY_ASSIGN(const std::string value, value_of(file, std::string(text.substr(2, end - 2))));
      expanded += value;
      text.remove_prefix(end + 1);
    } else {
      expanded += text.front();
      text.remove_prefix(1);
    }
  }
  return expanded;
}

std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  return node.IsSequence() ? "a list" : "nothing";
}

}  // namespace

Error error_at(const YamlFile& file, const YAML::Mark& mark, std::string_view message) {
  if (!file.trusted) return Error{ErrorCode::kInvalidInput, std::string(message)};
  if (mark.is_null()) return Error{ErrorCode::kInvalidInput, fmt::format("{}: {}", file.name, message)};
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:{}: {}", file.name, mark.line + 1, mark.column + 1, message)};
}

Result<std::string> read_text(const YamlFile& file, const YAML::Node& node, std::string_view key) {
  if (!node.IsScalar()) {
    return std::unexpected(error_at(file, node.Mark(), fmt::format("{}: expected a single value, found {}", key, kind_of(node))));
  }
  if (!file.trusted) return node.Scalar();
  Result<std::string> text = expand(file, node.Scalar());
  if (!text) return std::unexpected(error_at(file, node.Mark(), fmt::format("{}: {}", key, text.error().message)));
  return text;
}

Result<std::vector<std::string>> read_texts(const YamlFile& file, const YAML::Node& node, std::string_view key) {
  std::vector<std::string> texts;
  if (!node.IsSequence()) {
    TRY_ASSIGN(std::string text, read_text(file, node, key));
    texts.push_back(std::move(text));
    return texts;
  }
  for (const YAML::Node& item : node) {
    TRY_ASSIGN(std::string text, read_text(file, item, key));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<YamlMap> YamlMap::open(const YamlFile& file, const YAML::Node& node, std::string what) {
  YamlMap map;
  map.file_ = &file;
  map.node_ = node;
  map.what_ = std::move(what);
  if (!node.IsMap()) {
    return std::unexpected(map.error(
        fmt::format("{}: expected a map of keys and values, found {}", map.what_, node.IsScalar() ? "a single value" : kind_of(node))));
  }
  for (const auto& pair : node) {
    const YAML::Node& key = pair.first;
    if (!key.IsScalar()) return std::unexpected(error_at(file, key.Mark(), fmt::format("{}: a key must be plain text", map.what_)));
    const bool doubled = std::any_of(map.entries_.begin(), map.entries_.end(), [&](const Entry& e) { return e.key == key.Scalar(); });
    if (doubled) return std::unexpected(error_at(file, key.Mark(), fmt::format("{}: \"{}\" is given twice", map.what_, key.Scalar())));
    map.entries_.push_back({key.Scalar(), key.Mark(), pair.second});
  }
  return map;
}

std::optional<YAML::Node> YamlMap::take(std::string_view key) {
  known_.emplace_back(key);
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.taken = true;
    if (entry.value.IsNull()) return std::nullopt;
    return entry.value;
  }
  return std::nullopt;
}

bool YamlMap::has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key && !entry.value.IsNull(); });
}

Result<std::map<std::string, std::string>> YamlMap::take_prefixed(std::span<const std::string_view> prefixes) {
  std::map<std::string, std::string> taken;
  for (Entry& entry : entries_) {
    const auto fits = [&](std::string_view prefix) { return entry.key.starts_with(prefix); };
    if (entry.taken || std::none_of(prefixes.begin(), prefixes.end(), fits)) continue;
    entry.taken = true;
    TRY_ASSIGN(taken[entry.key], read_text(*file_, entry.value, entry.key));
  }
  return taken;
}

std::vector<std::pair<std::string, YAML::Node>> YamlMap::take_rest() {
  std::vector<std::pair<std::string, YAML::Node>> rest;
  for (Entry& entry : entries_) {
    if (!entry.taken) rest.emplace_back(entry.key, entry.value);
    entry.taken = true;
  }
  return rest;
}

Result<void> YamlMap::apply_text(std::string_view key, std::string& into) {
  return apply(key, [](const std::string& text) -> Result<std::string> { return text; }, into);
}

Result<void> YamlMap::apply_texts(std::string_view key, std::vector<std::string>& into) {
  if (const std::optional<YAML::Node> node = take(key)) {
    TRY_ASSIGN(into, read_texts(*file_, *node, key));
  }
  return {};
}

Result<void> YamlMap::apply_switch(std::string_view key, bool& into) { return apply(key, parse_switch, into); }

Result<void> YamlMap::apply_map(std::string_view key, const std::function<Result<void>(YamlMap&)>& read) {
  const std::optional<YAML::Node> node = take(key);
  if (!node) return {};
  TRY_ASSIGN(YamlMap map, open(*file_, *node, std::string(key)));
  TRY(read(map));
  return map.finish();
}

Result<void> YamlMap::reserve(std::string_view key, std::string_view only) {
  const std::optional<YAML::Node> node = take(key);
  if (!node) return {};
  const bool is_default = only.empty() ? node->IsSequence() && node->size() == 0 : node->IsScalar() && node->Scalar() == only;
  if (is_default) return {};
  const std::string way_out = only.empty() ? "leave it out" : fmt::format("only \"{}\" is", only);
  return std::unexpected(error_at(*file_, node->Mark(), fmt::format("{}: not available yet; {}", key, way_out)));
}

Result<void> YamlMap::finish() const {
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const Entry& entry : entries_) {
    if (entry.taken) continue;
    return std::unexpected(
        error_at(*file_, entry.mark, fmt::format("{}: unknown key \"{}\"{}", what_, entry.key, did_you_mean(entry.key, known))));
  }
  return {};
}

}  // namespace sluice
