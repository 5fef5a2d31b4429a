// simdjson finds the tokens (stage 1 picks the CPU's best kernel when the program starts, and refuses invalid UTF-8 and bare control
// characters) and walks them on demand. On demand checks only what is asked for, so every value is visited and every scalar compared with the
// grammar here; strings are used in place unless they hold an escape. A row that fails is read again by json_text, which knows the place.
#include "formats/json_row.h"

#include <cstring>

#include <emmintrin.h>
#include <simdjson.h>

#include "formats/format.h"

namespace sluice {
namespace {

namespace ondemand = simdjson::ondemand;

static_assert(kJsonPaddingBytes >= simdjson::SIMDJSON_PADDING);

/// The inside of the string whose opening quote stands before `begin`, as written. Its closing quote exists (stage 1 saw it).
std::string_view inside_of_string(const char* begin, bool& has_escape) {
  has_escape = false;
  for (const char* at = begin;;) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    if (found == 0) {
      at += 16;
      continue;
    }
    at += __builtin_ctz(static_cast<unsigned>(found));
    if (*at == '"') return {begin, static_cast<size_t>(at - begin)};
    has_escape = true;
    at += 2;
  }
}

std::string_view without_space_behind(std::string_view text) {
  while (!text.empty() && is_json_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Walks a document and writes its nodes.
class Walker {
 public:
  Walker(std::string_view row, std::vector<JsonNode>& nodes, std::string& unescaped) : row_(row), nodes_(nodes), unescaped_(unescaped) {}

  bool walk(ondemand::document& document) {
    ondemand::object row;
    if (document.get_object().get(row) != simdjson::SUCCESS) return false;
    JsonNode& node = nodes_.emplace_back();
    node.kind = JsonNode::kObject;
    node.raw = row_.data();
    if (!walk_object(row, 1)) return false;
    nodes_.front().after = static_cast<uint32_t>(nodes_.size());
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  }

 private:
  bool walk_object(ondemand::object object, int depth) {
    for (auto member : object) {
      ondemand::field field;
      if (std::move(member).get(field) != simdjson::SUCCESS) return false;
      std::string_view key;
      if (!read_string(field.key().raw(), key)) return false;
      if (!walk_value(field.value(), key, depth)) return false;
    }
    return true;
  }

  bool walk_array(ondemand::array array, int depth) {
    for (auto element : array) {
      ondemand::value value;
      if (std::move(element).get(value) != simdjson::SUCCESS) return false;
      if (!walk_value(value, {}, depth)) return false;
    }
    return true;
  }

  bool walk_value(ondemand::value value, std::string_view key, int depth) {
    const size_t position = nodes_.size();
    const std::string_view token = value.raw_json_token();
    // Where brackets are missing at the end, the iterator goes on into the padding.
    if (token.empty() || token.size() > static_cast<size_t>(row_.data() + row_.size() - token.data())) return false;
    JsonNode& node = nodes_.emplace_back();
    node.key = key;
    node.raw = token.data();
    if (!read_by_first_byte(value, node, token, depth)) return false;
    nodes_[position].after = static_cast<uint32_t>(nodes_.size());
    return true;
  }

  /// Scalars are read from their token and left for the iterator to step over; but not strings: it would take one before a ':' for a key.
  bool read_by_first_byte(ondemand::value& value, JsonNode& node, std::string_view token, int depth) {
    switch (token.front()) {
      case '"': {
        ondemand::raw_json_string string;
        node.kind = JsonNode::kString;
        return value.get_raw_json_string().get(string) == simdjson::SUCCESS && read_string(string.raw(), node.text);
      }
      case '{': {
        ondemand::object object;
        node.kind = JsonNode::kObject;
        return depth < kNestingDepthMax && value.get_object().get(object) == simdjson::SUCCESS && walk_object(object, depth + 1);
      }
      case '[': {
        ondemand::array array;
        node.kind = JsonNode::kArray;
        return depth < kNestingDepthMax && value.get_array().get(array) == simdjson::SUCCESS && walk_array(array, depth + 1);
      }
      case 't': node.kind = JsonNode::kTrue; return without_space_behind(token) == "true";
      case 'f': node.kind = JsonNode::kFalse; return without_space_behind(token) == "false";
      case 'n': node.kind = JsonNode::kNull; return without_space_behind(token) == "null";
      default:
        node.kind = JsonNode::kNumber;
        node.text = without_space_behind(token);
        return is_json_number(node.text);
    }
  }

  bool read_string(const char* begin, std::string_view& text) {
    bool has_escape = false;
    text = inside_of_string(begin, has_escape);
    if (!has_escape) return true;
    const size_t start = unescaped_.size();
    if (!unescape_json(text, unescaped_)) return false;
    text = std::string_view(unescaped_).substr(start);
    return true;
  }

  std::string_view row_;
  std::vector<JsonNode>& nodes_;
  std::string& unescaped_;  ///< has room for the whole row: views into it stay valid while it fills
};

}  // namespace

struct JsonRowReader::Parser {
  ondemand::parser simdjson{static_cast<size_t>(kRowBytesMax) + simdjson::SIMDJSON_PADDING};
};

JsonRowReader::JsonRowReader() : parser_(std::make_unique<Parser>()) {}
JsonRowReader::~JsonRowReader() = default;
JsonRowReader::JsonRowReader(JsonRowReader&&) noexcept = default;

std::optional<JsonFault> JsonRowReader::read(std::string_view row) {
  if (read_quickly(row)) return std::nullopt;
  if (auto fault = find_row_fault(row)) return fault;
  return JsonFault{JsonFault::kBroken, 0, "not valid JSON"};
}

bool JsonRowReader::read_quickly(std::string_view row) {
  nodes_.clear();
  unescaped_.clear();
  unescaped_.reserve(row.size());
  ondemand::document document;
  const simdjson::padded_string_view padded(row, row.size() + simdjson::SIMDJSON_PADDING);
  if (parser_->simdjson.iterate(padded).get(document) != simdjson::SUCCESS) return false;
  return Walker(row, nodes_, unescaped_).walk(document);
}

}  // namespace sluice
