#include "formats/json_guess.h"

namespace sluice {

void see_json(std::span<const JsonNode> nodes, uint32_t position, ColumnGuess& guess) {
  const JsonNode& node = nodes[position];
  switch (node.kind) {
    case JsonNode::kNull: return guess.see_null();
    case JsonNode::kTrue:
    case JsonNode::kFalse: return guess.see_bool();
    case JsonNode::kNumber: return is_integer_text(node.text) ? guess.see_integer_text(node.text) : guess.see_number_text(node.text);
    case JsonNode::kString: return guess.see_string(node.text);
    case JsonNode::kObject: {
      StructGuess& members = guess.see_struct();
      for (uint32_t at = position + 1; at < node.after; at = nodes[at].after) see_json(nodes, at, members.member(nodes[at].key));
      return;
    }
    case JsonNode::kArray: {
      ColumnGuess& element = guess.see_list();
      for (uint32_t at = position + 1; at < node.after; at = nodes[at].after) see_json(nodes, at, element);
      return;
    }
  }
}

}  // namespace sluice
