// Patterns over whole URIs and over single names: **, *, ?, [a-z], [!a-z], {a,b}. Immutable; thread-safe.
// `*`, `?` and sets do not cross "/"; `**` does. `?` is one code point. There is no escape: [*] is a star. What is not closed is
// meant literally. A pattern also matches its own text and all that lies below it, so that names with such characters can be given.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace sluice {

/// What of a folder a pattern may match.
enum class Below { kNothing, kSome, kAnything };

class Glob {
 public:
  /// kInvalidInput: braces that expand to more than kGlobAlternativesMax patterns.
  static Result<Glob> parse(std::string_view pattern);

  bool matches(std::string_view text) const;
  /// Whether paths below `folder` (ending in "/") may match; kAnything: there is no use in asking folder by folder.
  Below below(std::string_view folder) const;

  /// No pattern at all: one file, or a folder.
  bool is_literal() const { return first_special_ == text_.size(); }
  const std::string& text() const { return text_; }
  /// What every match begins with, up to the first special character.
  std::string_view fixed_text() const { return std::string_view(text_).substr(0, first_special_); }
  /// The folders that every match lies in, ending in "/"; of a literal, the whole text.
  std::string_view fixed_folder() const;

 private:
  enum class TokenKind { kText, kOne, kSet, kStar, kDeep, kFolders };
  struct Token {
    TokenKind kind = TokenKind::kText;
    std::string text = {};
    std::vector<std::pair<char32_t, char32_t>> ranges = {};
    bool negated = false;
  };
  using Tokens = std::vector<Token>;
  struct Alternative {
    Tokens tokens;
    std::vector<Tokens> components;  // between the slashes
  };

  bool lies_below_text(std::string_view path) const;
  static Tokens tokenize(std::string_view pattern);
  static size_t read_set(std::string_view pattern, size_t at, Token& token);
  static bool matches(const Tokens& tokens, std::string_view text);
  static bool matches_one(const Token& token, std::string_view text, size_t& at);
  static Below below(const Alternative& alternative, const std::vector<std::string_view>& folders);

  std::string text_;
  size_t first_special_ = 0;
  std::vector<Alternative> alternatives_;
};

/// What follows, in a path, the longest folder that one of the patterns starts at (its fixed folder, or its own text where the path lies
/// below that); a file's name where none leads to it, or one names the file itself. A file that goes elsewhere keeps it.
std::string_view path_below(std::span<const std::string> patterns, std::string_view path);

}  // namespace sluice
