// simdjson's first stage finds where tokens begin, with the best kernel of the CPU the program runs on, and refuses invalid UTF-8, bare
// control characters in strings and strings without end. The walk over the tokens is ours: it checks the whole grammar (simdjson's
// on-demand walk checks only what is asked for), leaves numbers as written and uses strings in place unless they hold an escape.
// A row that fails is read again by json_text, which knows where and why.
#include "formats/json_row.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

#include "formats/format.h"

namespace sluice {
namespace {

static_assert(kJsonPaddingBytes >= simdjson::SIMDJSON_PADDING);

/// Room to begin with; doubled as needed.
constexpr size_t kFirstRowBytes = 4096;
constexpr size_t kFirstNodes = 64;

/// Walks the tokens of one row and writes its nodes.
class Walker {
 public:
  /// `unescaped`: nullptr where the row has no escape; else with room for the whole row, so that views into it stay valid while it fills.
  Walker(std::string_view row, std::span<const uint32_t> tokens, std::vector<JsonNode>& nodes, std::string* unescaped)
      : row_(row), token_(tokens.data()), end_(tokens.data() + tokens.size()), nodes_(nodes), unescaped_(unescaped) {}

  bool walk() { return peek() == '{' && walk_value({}, 0) && token_ == end_; }
  size_t nodes_count() const { return count_; }

 private:
  /// First byte of the next token; 0 behind the last one.
  char peek() const { return token_ < end_ ? row_[*token_] : '\0'; }
  char take() { return token_ < end_ ? row_[*token_++] : '\0'; }

  bool walk_object(int depth) {
    ++token_;
    if (peek() == '}') {
      ++token_;
      return true;
    }
    for (;;) {
      std::string_view key;
      if (peek() != '"' || !read_string(key)) return false;
      if (take() != ':' || !walk_value(key, depth)) return false;
      const char c = take();
      if (c == '}') return true;
      if (c != ',') return false;
    }
  }

  bool walk_array(int depth) {
    ++token_;
    if (peek() == ']') {
      ++token_;
      return true;
    }
    for (;;) {
      if (!walk_value({}, depth)) return false;
      const char c = take();
      if (c == ']') return true;
      if (c != ',') return false;
    }
  }

  bool walk_value(std::string_view key, int depth) {
    if (token_ == end_ || (count_ == nodes_.size() && !grow())) return false;
    const size_t position = count_++;
    JsonNode& node = nodes_[position];
    node.key = key;
    node.raw = row_.data() + *token_;
    switch (*node.raw) {
      case '"': node.kind = JsonNode::kString; return end_scalar(node, read_string(node.text));
      case 't': node.kind = JsonNode::kTrue; return end_scalar(node, read_word() == "true");
      case 'f': node.kind = JsonNode::kFalse; return end_scalar(node, read_word() == "false");
      case 'n': node.kind = JsonNode::kNull; return end_scalar(node, read_word() == "null");
      case '{': node.kind = JsonNode::kObject; return end_nested(position, depth < kNestingDepthMax && walk_object(depth + 1));
      case '[': node.kind = JsonNode::kArray; return end_nested(position, depth < kNestingDepthMax && walk_array(depth + 1));
      default:
        node.kind = JsonNode::kNumber;
        node.text = read_word();
        return end_scalar(node, is_json_number(node.text));
    }
  }

  bool end_scalar(JsonNode& node, bool is_good) {
    node.after = static_cast<uint32_t>(count_);
    return is_good;
  }
  bool end_nested(size_t position, bool is_good) {
    nodes_[position].after = static_cast<uint32_t>(count_);
    return is_good;
  }

  bool grow() {
    if (count_ == kRowValuesMax) return false;
    nodes_.resize(std::clamp(2 * count_, kFirstNodes, kRowValuesMax));
    return true;
  }

  /// The token to its last byte; white space may stand between that and the next token, and nothing else.
  std::string_view read_word() {
    const size_t begin = *token_++;
    size_t end = token_ < end_ ? *token_ : row_.size();
    while (is_json_space(row_[end - 1])) --end;
    return row_.substr(begin, end - begin);
  }

  bool read_string(std::string_view& text) {
    const std::string_view quoted = read_word();
    text = quoted.substr(1, quoted.size() - 2);
    if (!unescaped_ || std::memchr(text.data(), '\\', text.size()) == nullptr) return true;
    const size_t start = unescaped_->size();
    if (!unescape_json(text, *unescaped_)) return false;
    text = std::string_view(*unescaped_).substr(start);
    return true;
  }

  const std::string_view row_;
  const uint32_t* token_;
  const uint32_t* const end_;
  std::vector<JsonNode>& nodes_;
  std::string* unescaped_;
  size_t count_ = 0;
};

}  // namespace

struct JsonRowReader::Tokenizer {
  /// Empty: simdjson refuses the row.
  std::span<const uint32_t> tokens_of(std::string_view row) {
    if ((!parser || row.size() > capacity) && !reserve(row.size())) return {};
    const auto* bytes = reinterpret_cast<const uint8_t*>(row.data());
    if (parser->stage1(bytes, row.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) return {};
    return {parser->structural_indexes.get(), parser->n_structural_indexes};
  }

  bool reserve(size_t bytes) {
    capacity = std::max({bytes, std::min(2 * capacity, static_cast<size_t>(kRowBytesMax)), kFirstRowBytes});
    return simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, parser) == simdjson::SUCCESS;
  }

  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  size_t capacity = 0;
};

JsonRowReader::JsonRowReader() : tokenizer_(std::make_unique<Tokenizer>()) {}
JsonRowReader::~JsonRowReader() = default;
JsonRowReader::JsonRowReader(JsonRowReader&&) noexcept = default;

std::optional<JsonFault> JsonRowReader::read(std::string_view row) {
  if (read_quickly(row)) return std::nullopt;
  if (auto fault = find_row_fault(row)) return fault;
  return JsonFault{JsonFault::kTooLarge, 0, fmt::format("more than {} values in one row", kRowValuesMax)};
}

bool JsonRowReader::read_quickly(std::string_view row) {
  const bool has_escapes = std::memchr(row.data(), '\\', row.size()) != nullptr;
  unescaped_.clear();
  if (has_escapes) unescaped_.reserve(row.size());
  Walker walker(row, tokenizer_->tokens_of(row), nodes_, has_escapes ? &unescaped_ : nullptr);
  const bool is_good = walker.walk();
  nodes_count_ = walker.nodes_count();
  return is_good;
}

}  // namespace sluice
