// Secrets in texts that are shown, logged or stored: those that are known, and what looks like one (passwords in URLs, signatures and
// tokens in queries, Authorization headers). Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace sluice {

inline constexpr size_t kSecretBytesMin = 6;

class Redaction {
 public:
  /// Short texts (below kSecretBytesMin) are not looked for: they would stain everything.
  void hide(const std::string& secret);
  /// `text` with every known secret, and all that without_secrets() finds, replaced by "***".
  std::string apply(std::string text) const;

 private:
  mutable std::mutex mutex_;
  std::set<std::string> secrets_;  // protected by mutex_
};

/// `text` with "***" for the user part of URLs ("https://user:password@host"), for the values of names that hold secrets in queries, forms
/// and JSON ("X-Amz-Signature=...", "client_secret": "..."), and for what comes after "Bearer" and "Authorization:". Pure.
std::string without_secrets(std::string text);

}  // namespace sluice
