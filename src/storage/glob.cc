// Matching keeps two places to return to: the last `*`, which may take one more character of its name, and the last `**`, which may
// take more of the path. An earlier `*` or `**` need not be tried again: the text up to the later one was matched as early as it can
// be, which leaves the later one the most to choose from. So "/d/**/*.json" against "/d/a.b/c.json": `**/` takes nothing, `*` takes
// "a", ".json" fails at ".b/"; `*` goes on to "/" and must stop; `**/` takes "a.b/", `*` takes "c", ".json" fits.
#include "storage/glob.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace sluice {
namespace {

constexpr size_t kGlobAlternativesMax = 1000;
constexpr std::string_view kSpecial = "*?[{";

/// The index of the brace that closes the one at `open`; npos: none does.
size_t closing_brace(std::string_view pattern, size_t open) {
  int depth = 0;
  for (size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '{') ++depth;
    if (pattern[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

std::vector<std::string_view> split_choices(std::string_view inside) {
  std::vector<std::string_view> choices;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '{') ++depth;
    if (inside[i] == '}') --depth;
    if (inside[i] != ',' || depth != 0) continue;
    choices.push_back(inside.substr(begin, i - begin));
    begin = i + 1;
  }
  choices.push_back(inside.substr(begin));
  return choices;
}

/// Appends what "before{a,b}after" stands for; false: too many.
bool expand_braces(std::string before, std::string_view rest, std::vector<std::string>& into) {
  const size_t open = rest.find('{');
  const size_t close = open == std::string_view::npos ? open : closing_brace(rest, open);
  if (close == std::string_view::npos) {
    into.push_back(before.append(rest));
    return into.size() <= kGlobAlternativesMax;
  }
  before.append(rest.substr(0, open));
  for (const std::string_view choice : split_choices(rest.substr(open + 1, close - open - 1))) {
    const std::string tail = std::string(choice).append(rest.substr(close + 1));
    if (!expand_braces(before, tail, into)) return false;
  }
  return true;
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

Result<Glob> Glob::parse(std::string_view pattern) {
  Glob glob;
  glob.text_ = pattern;
  glob.first_special_ = std::min(pattern.find_first_of(kSpecial), pattern.size());
  std::vector<std::string> expanded;
  if (!expand_braces({}, pattern, expanded)) {
    return invalid_input(
        fmt::format("{}: its braces stand for more than {} patterns; use * or several paths", pattern, kGlobAlternativesMax));
  }
  for (std::string& one : expanded) {
    if (one.ends_with('/')) one += "**";
    Alternative& alternative = glob.alternatives_.emplace_back();
    alternative.tokens = tokenize(one);
    for (const std::string_view part : split_path(one)) alternative.components.push_back(tokenize(part));
  }
  return glob;
}

std::string_view Glob::fixed_folder() const {
  const std::string_view fixed = fixed_text();
  return is_literal() ? fixed : fixed.substr(0, fixed.rfind('/') + 1);
}

Glob::Tokens Glob::tokenize(std::string_view pattern) {
  Tokens tokens;
  for (size_t at = 0; at < pattern.size();) {
    const std::string_view rest = pattern.substr(at);
    if (rest.starts_with("**/") && (at == 0 || pattern[at - 1] == '/')) {
      tokens.push_back({TokenKind::kFolders});
      at += 3;
    } else if (rest.starts_with("**")) {
      tokens.push_back({TokenKind::kDeep});
      at += std::min(rest.find_first_not_of('*'), rest.size());
    } else if (rest[0] == '*') {
      tokens.push_back({TokenKind::kStar});
      ++at;
    } else if (rest[0] == '?') {
      tokens.push_back({TokenKind::kOne});
      ++at;
    } else if (Token set{TokenKind::kSet}; rest[0] == '[' && read_set(pattern, at, set) != 0) {
      at = read_set(pattern, at, set = {TokenKind::kSet});
      tokens.push_back(std::move(set));
    } else {
      if (tokens.empty() || tokens.back().kind != TokenKind::kText) tokens.push_back({TokenKind::kText});
      tokens.back().text += rest[0];
      ++at;
    }
  }
  return tokens;
}

/// Reads "[a-z]" at `at`; returns where it ends, 0 where it is no set.
size_t Glob::read_set(std::string_view pattern, size_t at, Token& token) {
  ++at;
  token.negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (token.negated) ++at;
  for (bool first = true; at < pattern.size() && pattern[at] != '/'; first = false) {
    if (pattern[at] == ']' && !first) return at + 1;
    const CodePoint low = code_point_at(pattern, at);
    at += low.length;
    char32_t high = low.value;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      const CodePoint end = code_point_at(pattern, at + 1);
      high = end.value;
      at += 1 + end.length;
    }
    token.ranges.emplace_back(low.value, high);
  }
  return 0;
}

bool Glob::lies_below_text(std::string_view path) const {
  return path.starts_with(text_) && (text_.ends_with('/') || (path.size() > text_.size() && path[text_.size()] == '/'));
}

bool Glob::matches(std::string_view text) const {
  return text == text_ || lies_below_text(text) ||
         std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Alternative& one) { return matches(one.tokens, text); });
}

bool Glob::matches_one(const Token& token, std::string_view text, size_t& at) {
  if (token.kind == TokenKind::kText) {
    if (!text.substr(at).starts_with(token.text)) return false;
    at += token.text.size();
    return true;
  }
  if (at == text.size() || text[at] == '/') return false;
  const CodePoint point = code_point_at(text, at);
  if (token.kind == TokenKind::kSet) {
    const bool inside = std::any_of(token.ranges.begin(), token.ranges.end(),
                                    [&](const auto& range) { return range.first <= point.value && point.value <= range.second; });
    if (inside == token.negated) return false;
  }
  at += point.length;
  return true;
}

bool Glob::matches(const Tokens& tokens, std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  size_t token = 0, at = 0;
  size_t star_token = kNone, star_at = 0;
  size_t deep_token = kNone, deep_at = 0;
  for (;;) {
    if (token == tokens.size()) {
      if (at == text.size()) return true;
    } else if (tokens[token].kind == TokenKind::kStar) {
      star_token = ++token;
      star_at = at;
      // "*.json" at the end, by far the most common: look at the end at once.
      if (token + 1 == tokens.size() && tokens[token].kind == TokenKind::kText) {
        const std::string_view rest = text.substr(at);
        const std::string& ending = tokens[token].text;
        if (rest.ends_with(ending) && !rest.substr(0, rest.size() - ending.size()).contains('/')) return true;
        star_at = text.size();
      } else {
        continue;
      }
    } else if (tokens[token].kind == TokenKind::kDeep || tokens[token].kind == TokenKind::kFolders) {
      deep_token = ++token;
      deep_at = at;
      star_token = kNone;
      continue;
    } else if (matches_one(tokens[token], text, at)) {
      ++token;
      continue;
    }
    if (star_token != kNone && star_at < text.size() && text[star_at] != '/') {
      star_at += code_point_at(text, star_at).length;
      at = star_at;
      token = star_token;
      continue;
    }
    if (deep_token == kNone || deep_at >= text.size()) return false;
    const bool by_folder = tokens[deep_token - 1].kind == TokenKind::kFolders;
    const size_t slash = by_folder ? text.find('/', deep_at) : deep_at;
    if (slash == kNone) return false;
    deep_at = slash + 1;
    at = deep_at;
    token = deep_token;
    star_token = kNone;
  }
}

Below Glob::below(std::string_view folder) const {
  if (lies_below_text(folder)) return Below::kAnything;
  Below most = std::string_view(text_).starts_with(folder) ? Below::kSome : Below::kNothing;
  const std::vector<std::string_view> folders = split_path(folder.substr(0, folder.size() - 1));
  for (const Alternative& alternative : alternatives_) most = std::max(most, below(alternative, folders));
  return most;
}

Below Glob::below(const Alternative& alternative, const std::vector<std::string_view>& folders) {
  const auto is_deep = [](const Tokens& tokens) {
    return std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.kind == TokenKind::kDeep; });
  };
  for (size_t i = 0; i < folders.size(); ++i) {
    if (i >= alternative.components.size()) return Below::kNothing;
    if (is_deep(alternative.components[i])) return Below::kAnything;
    if (!matches(alternative.components[i], folders[i])) return Below::kNothing;
  }
  if (folders.size() >= alternative.components.size()) return Below::kNothing;
  return is_deep(alternative.components[folders.size()]) ? Below::kAnything : Below::kSome;
}

std::string_view path_below(std::span<const std::string> patterns, std::string_view path) {
  const size_t name = path.rfind('/') + 1;
  size_t below = 0;
  for (const std::string& pattern : patterns) {
    const std::string as_folder = pattern.ends_with('/') ? pattern : pattern + '/';
    if (path == pattern) {
      below = name;
    } else if (path.starts_with(as_folder)) {
      below = std::max(below, as_folder.size());
    } else if (const auto glob = Glob::parse(pattern); glob && !glob->is_literal() && path.starts_with(glob->fixed_folder())) {
      below = std::max(below, glob->fixed_folder().size());
    }
  }
  return path.substr(below > 0 ? below : name);
}

}  // namespace sluice
