// One JSON object as a flat list of its values, checked to the last byte. Not thread-safe: buffers are reused from row to row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/json_text.h"

namespace sluice {

/// So many bytes behind a row must be readable (their content does not matter).
inline constexpr size_t kJsonPaddingBytes = 64;

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
  const std::vector<JsonNode>& nodes() const { return nodes_; }

 private:
  struct Parser;

  bool read_quickly(std::string_view row);

  std::unique_ptr<Parser> parser_;
  std::vector<JsonNode> nodes_;
  std::string unescaped_;
};

}  // namespace sluice
