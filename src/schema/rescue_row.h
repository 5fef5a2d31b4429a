// The values of one row that no column could take, as the JSON text of `_rescued_data`: {"column": value, ...}. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// Appends `text` (UTF-8) as a JSON string with its quotes.
void append_json_string(std::string_view text, std::string& out);

class RescueRow {
 public:
  /// `json` is one valid JSON value as written in the input; it is copied, not checked. A member of a struct is named "a.b".
  void add_json(std::string_view column, std::string_view json);
  /// `text` becomes a JSON string. Both must be UTF-8.
  void add_text(std::string_view column, std::string_view text);

  bool empty() const { return text_.empty(); }
  void clear() {
    text_.clear();
    closed_ = false;
  }
  /// Valid until the next change. Only where not empty.
  std::string_view text();

 private:
  void add_key(std::string_view column);

  std::string text_;  ///< "{...", closed by text()
  bool closed_ = false;
};

}  // namespace sluice
