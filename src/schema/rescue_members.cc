#include "schema/rescue_members.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

/// Behind the string that begins at `at`.
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
  return std::min(at + 1, text.size());
}

/// Behind the value that begins at `at`.
size_t end_of_value(std::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (depth == 0 && (c == ',' || c == '}')) return at;
    if (c == '"') {
      at = end_of_string(text, at);
    } else {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      ++at;
    }
  }
  return at;
}

}  // namespace

std::vector<RescueMember> rescue_members(std::string_view text) {
  std::vector<RescueMember> members;
  for (size_t at = text.find('"'); at < text.size();) {
    const size_t key_end = end_of_string(text, at);
    const size_t begin = std::min(key_end + 2, text.size());  // ": "
    const size_t end = end_of_value(text, begin);
    members.push_back({text.substr(at, key_end - at), text.substr(begin, end - begin)});
    at = end < text.size() && text[end] == ',' ? end + 2 : text.size();  // ", "
  }
  return members;
}

std::optional<std::string_view> read_json_string(std::string_view json, std::string& scratch) {
  if (json.size() < 2 || json.front() != '"') return std::nullopt;
  const std::string_view inside = json.substr(1, json.size() - 2);
  if (inside.find('\\') == std::string_view::npos) return inside;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_string()) return std::nullopt;
  scratch = parsed.get_ref<const std::string&>();
  return scratch;
}

}  // namespace sluice
