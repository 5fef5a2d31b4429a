#include "base/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr std::string_view kHidden = "***";
constexpr size_t kHeaderBytesMin = 8;  // shorter words after "Bearer" are prose

// In lower case. Names of queries, forms and JSON members whose values nobody may see.
constexpr std::array<std::string_view, 22> kSecretNames = {"x-amz-signature",
                                                           "x-amz-credential",
                                                           "x-amz-security-token",
                                                           "x-goog-signature",
                                                           "x-goog-credential",
                                                           "signature",
                                                           "credential",
                                                           "sig",
                                                           "awsaccesskeyid",
                                                           "token",
                                                           "access_token",
                                                           "refresh_token",
                                                           "id_token",
                                                           "subject_token",
                                                           "actor_token",
                                                           "client_secret",
                                                           "secret",
                                                           "secret_key",
                                                           "password",
                                                           "passwd",
                                                           "api_key",
                                                           "apikey"};

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }

bool ends_value(char c) { return std::isspace(static_cast<unsigned char>(c)) || std::string_view("&;,\"'\\<>()").contains(c); }

size_t end_of_value(const std::string& text, size_t begin) {
  while (begin < text.size() && !ends_value(text[begin])) ++begin;
  return begin;
}

bool is_secret_name(std::string_view name) { return std::ranges::find(kSecretNames, lower_case(name)) != kSecretNames.end(); }

/// Replaces [begin, end) and says where to go on.
size_t hide_part(std::string& text, size_t begin, size_t end) {
  text.replace(begin, end - begin, kHidden);
  return begin + kHidden.size();
}

/// "scheme://user:password@host" -> "scheme://***@host"
void hide_user_parts(std::string& text) {
  for (size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at)) {
    at += 3;
    const size_t end = std::min(text.find_first_of("/?# \t\r\n\"'<>\\", at), text.size());
    const size_t sign = text.rfind('@', end);
    if (end > at && sign != std::string::npos && sign >= at && sign < end) at = hide_part(text, at, sign);
  }
}

/// Where the value behind a name begins: `=value`, `=  "value"`, `": "value"`; npos: no value follows.
size_t value_behind(const std::string& text, size_t at) {
  const bool quoted = at < text.size() && text[at] == '\\';  // JSON inside of JSON
  if (quoted) ++at;
  if (at < text.size() && text[at] == '"') ++at;
  while (at < text.size() && text[at] == ' ') ++at;
  if (at == text.size() || (text[at] != '=' && text[at] != ':')) return std::string::npos;
  bool is_value = text[at] == '=';  // with a colon and without quotes it is prose: "token: this one has expired"
  for (++at; at < text.size() && std::string_view(" \"\\").contains(text[at]); ++at) is_value |= text[at] == '"';
  return is_value ? at : std::string::npos;
}

void hide_named_values(std::string& text) {
  for (size_t at = 0; at < text.size();) {
    if (!is_name_char(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && is_name_char(text[end])) ++end;
    const bool in_path = at > 0 && text[at - 1] == '/';  // a folder named "token=abc" is none
    const size_t value =
        !in_path && is_secret_name(std::string_view(text).substr(at, end - at)) ? value_behind(text, end) : std::string::npos;
    at = end;
    if (value == std::string::npos) continue;
    const size_t value_end = end_of_value(text, value);
    if (value_end > value) at = hide_part(text, value, value_end);
  }
}

bool same_word(std::string_view text, std::string_view word) {
  return std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) { return lower_case(a) == lower_case(b); });
}

/// "Bearer eyJhbGciOi..." and "Authorization: Basic dXNlcjpw...", whose scheme stays.
void hide_headers(std::string& text) {
  constexpr std::string_view kBearer = "bearer ", kAuthorization = "authorization: ";
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = std::string_view(text).substr(at);
    size_t begin = std::string::npos;
    if (same_word(rest, kBearer)) begin = at + kBearer.size();
    if (same_word(rest, kAuthorization)) begin = end_of_value(text, at + kAuthorization.size()) + 1;
    if (begin == std::string::npos || begin >= text.size()) continue;
    const size_t end = end_of_value(text, begin);
    if (end - begin >= kHeaderBytesMin) at = hide_part(text, begin, end) - 1;
  }
}

}  // namespace

void Redaction::hide(const std::string& secret) {
  if (secret.size() < kSecretBytesMin) return;
  std::lock_guard lock(mutex_);
  secrets_.insert(secret);
}

std::string Redaction::apply(std::string text) const {
  {
    std::lock_guard lock(mutex_);
    for (const std::string& secret : secrets_) {
      for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) at = hide_part(text, at, at + secret.size());
    }
  }
  return without_secrets(std::move(text));
}

std::string without_secrets(std::string text) {
  hide_user_parts(text);
  hide_headers(text);
  hide_named_values(text);
  return text;
}

}  // namespace sluice
