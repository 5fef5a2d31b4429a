#include "schema/rescue_row.h"

#include <fmt/format.h>

namespace sluice {

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, copied, i - copied);
    copied = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out.append(text, copied);
  out += '"';
}

void RescueRow::add_key(std::string_view column) {
  if (closed_) text_.pop_back();
  closed_ = false;
  text_ += text_.empty() ? "{" : ", ";
  append_json_string(column, text_);
  text_ += ": ";
}

void RescueRow::add_json(std::string_view column, std::string_view json) {
  add_key(column);
  text_ += json;
}

void RescueRow::add_text(std::string_view column, std::string_view text) {
  add_key(column);
  append_json_string(text, text_);
}

std::string_view RescueRow::text() {
  if (!closed_) text_ += '}';
  closed_ = true;
  return text_;
}

}  // namespace sluice
