// One JSON object as a flat list of its values, checked to the last byte. Not thread-safe: buffers are reused from row to row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_text.h"

namespace sluice {

/// So many bytes behind a row must be readable (their content does not matter).
inline constexpr size_t kJsonPaddingBytes = 64;

/// A row of more values is refused (TooLarge): nodes take many times the bytes of their text.
inline constexpr size_t kRowValuesMax = 1024 * 1024;

struct JsonNode {
  enum Kind : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kObject, kArray };

  std::string_view key;       ///< of a member, unescaped; empty for elements and the row itself
  std::string_view text;      ///< number: as written; string: unescaped
  const char* raw = nullptr;  ///< where the value begins in the row; json_value_at(raw) is all of it
  uint32_t after = 0;         ///< position of the first node that is not below this one
  Kind kind = kNull;
};

class JsonRowReader {
 public:
  JsonRowReader();
  ~JsonRowReader();
  JsonRowReader(JsonRowReader&&) noexcept;

  /// nullopt: nodes() holds the row, valid until the next read() and as long as the row's bytes.
  std::optional<JsonFault> read(std::string_view row);

  /// In the order of the text, parents first. nodes()[0] is the row's object.
  std::span<const JsonNode> nodes() const { return {nodes_.data(), nodes_count_}; }

 private:
  struct Tokenizer;

  bool read_quickly(std::string_view row);

  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<JsonNode> nodes_;  ///< the first nodes_count_ are the row's; grows, so that rows do not pay for it
  size_t nodes_count_ = 0;
  std::string unescaped_;
};

}  // namespace sluice
