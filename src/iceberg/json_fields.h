// Reads the keys of one JSON object, remembering the first that is missing or of the wrong kind, so that a reader is a list of keys and
// one check at its end. Not thread-safe; must not outlive the JSON. Also: parsing and printing JSON without exceptions.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace sluice {

inline constexpr int kJsonDepthMax = 200;

/// kCorruption: not JSON, or nested deeper than kJsonDepthMax. `what` begins the message.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view what);
/// kInvalidInput: a string that is not UTF-8.
Result<std::string> print_json(const nlohmann::json& json, std::string_view what);

class JsonFields {
 public:
  /// `what` names the object in messages: "snapshot".
  JsonFields(const nlohmann::json& object, std::string_view what) : object_(object), what_(what) {
    if (!object.is_object()) error_ = Error{ErrorCode::kCorruption, what_ + ": not a JSON object"};
  }

  std::string text(const char* key) { return read<std::string>(key, nullptr); }
  std::string text(const char* key, std::string otherwise) { return read<std::string>(key, &otherwise); }
  int64_t integer(const char* key) { return read<int64_t>(key, nullptr); }
  int64_t integer(const char* key, int64_t otherwise) { return read<int64_t>(key, &otherwise); }
  int number(const char* key) { return narrow(key, integer(key)); }
  int number(const char* key, int otherwise) { return narrow(key, integer(key, otherwise)); }
  /// nullopt where the key is absent or null.
  std::optional<int64_t> maybe_integer(const char* key) { return has(key) ? std::optional(integer(key)) : std::nullopt; }
  std::optional<int> maybe_number(const char* key) { return has(key) ? std::optional(number(key)) : std::nullopt; }
  /// String values; absent: empty.
  std::map<std::string, std::string> text_map(const char* key);
  /// An array; absent or null: an empty one.
  const nlohmann::json& array(const char* key);
  /// Any value; nullptr where the key is absent or null.
  const nlohmann::json* find(const char* key) {
    seen_.insert(key);
    if (!object_.is_object()) return nullptr;
    const auto at = object_.find(key);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  bool has(const char* key) { return find(key) != nullptr; }

  void fail(std::string message) {
    if (!error_) error_ = Error{ErrorCode::kCorruption, what_ + ": " + std::move(message)};
  }
  Result<void> finish() const {
    if (error_) return std::unexpected(*error_);
    return {};
  }
  /// The keys that were not asked for, as the text of an object; "" when there are none.
  std::string rest() const;

 private:
  template <class T>
  T read(const char* key, const T* otherwise) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) {
      if (otherwise != nullptr) return *otherwise;
      fail(std::string("required key \"") + key + "\" is missing");
      return T();
    }
    if constexpr (std::is_same_v<T, std::string>) {
      if (value->is_string()) return value->template get<std::string>();
    } else {
      const bool beyond = value->is_number_unsigned() && value->template get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
      if (value->is_number_integer() && !beyond) return value->template get<int64_t>();
    }
    fail(std::string("key \"") + key + "\" has the wrong type");
    return T();
  }
  int narrow(const char* key, int64_t value) {
    if (value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
    fail(std::string("key \"") + key + "\" is out of range");
    return 0;
  }

  const nlohmann::json& object_;
  std::string what_;
  std::optional<Error> error_;
  std::set<std::string> seen_;
};

}  // namespace sluice
