// Maps of a YAML file, read key by key with errors at file:line:column. What was not read at the end is an unknown key.
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/error.h"

namespace sluice {

/// What all maps of one file share.
struct YamlFile {
  std::string name;    ///< as shown in errors
  std::string folder;  ///< absolute; relative paths of the file start here
  std::function<std::optional<std::string>(std::string_view)> environment;
  bool trusted = true;  ///< false: text of a caller (a REST body): nothing is expanded, errors name no place in it
};

/// "sluice.yaml:4:5: unknown key ..."
Error error_at(const YamlFile& file, const YAML::Mark& mark, std::string_view message);

/// Text of a scalar, the value of `key`, with `${env:NAME}` and `${file:PATH}` replaced. Errors show neither value nor content.
Result<std::string> read_text(const YamlFile& file, const YAML::Node& node, std::string_view key);

/// The texts of a list, or of one scalar in its place.
Result<std::vector<std::string>> read_texts(const YamlFile& file, const YAML::Node& node, std::string_view key);

class YamlMap {
 public:
  /// `what` names the map in errors: "ingestion \"orders\"".
  static Result<YamlMap> open(const YamlFile& file, const YAML::Node& node, std::string what);

  /// The value of a key and note that it is known; nullopt: absent or null.
  std::optional<YAML::Node> take(std::string_view key);
  bool has(std::string_view key) const;
  /// Keys that begin with one of `prefixes`, all of them taken, with their texts.
  Result<std::map<std::string, std::string>> take_prefixed(std::span<const std::string_view> prefixes);
  /// All keys that are left, taken.
  std::vector<std::pair<std::string, YAML::Node>> take_rest();

  /// Reads `key` with `read(text)` into `into`, where it is given.
  template <class Read, class Into>
  Result<void> apply(std::string_view key, Read read, Into& into) {
    const std::optional<YAML::Node> node = take(key);
    if (!node) return {};
    TRY_ASSIGN(const std::string text, read_text(*file_, *node, key));
    auto value = read(text);
    if (!value) return std::unexpected(error_at(*file_, node->Mark(), std::string(key) + ": " + value.error().message));
    into = *std::move(value);
    return {};
  }
  Result<void> apply_text(std::string_view key, std::string& into);
  Result<void> apply_texts(std::string_view key, std::vector<std::string>& into);
  Result<void> apply_switch(std::string_view key, bool& into);
  /// A map below `key`, handed to `read`, which takes its keys; then checked for unknown ones.
  Result<void> apply_map(std::string_view key, const std::function<Result<void>(YamlMap&)>& read);
  /// Accepts `only` (or null) for a key whose other values come later.
  Result<void> reserve(std::string_view key, std::string_view only);

  /// kInvalidInput at the first key that nobody took, with what it may have meant.
  Result<void> finish() const;
  Error error(std::string_view message) const { return error_at(*file_, node_.Mark(), message); }
  const YamlFile& file() const { return *file_; }

 private:
  struct Entry {
    std::string key;
    YAML::Mark mark;
    YAML::Node value;
    bool taken = false;
  };

  const YamlFile* file_ = nullptr;
  YAML::Node node_;
  std::string what_;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

}  // namespace sluice
