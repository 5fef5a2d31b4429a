// Where a request ends, from its head. Refuses what two readers could understand differently.
#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/ascii.h"
#include "service/http_front.h"

namespace sluice {
namespace {

constexpr size_t kHeadersMax = 100;

/// Spaces and tabs alone (RFC 9110, 5.5): anything else belongs to the value.
std::string_view without_blanks_around(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// 0, or the status that refuses the header.
int read_header(std::string_view line, const HttpLimits& limits, RequestFrame& frame, bool& has_length) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || line.find_first_of(" \t") < colon) return 400;
  const std::string name = lower_case(line.substr(0, colon));
  const std::string_view value = without_blanks_around(line.substr(colon + 1));
  if (name == "transfer-encoding") return 411;
  if (name == "content-encoding" && lower_case(value) != "identity") return 415;  // a compressed body may be a bomb
  if (name == "expect") frame.wants_continue = lower_case(value) == "100-continue";
  if (name == "connection" && lower_case(value) == "close") frame.is_last = true;
  if (name != "content-length") return 0;
  size_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (error == std::errc::result_out_of_range) return 413;
  if (value.empty() || error != std::errc() || end != value.data() + value.size() || has_length) return 400;
  has_length = true;
  frame.body_bytes = length;
  return length > limits.body_bytes_max ? 413 : 0;
}

}  // namespace

RequestFrame frame_request(const std::string& received, const HttpLimits& limits) {
  RequestFrame frame;
  const size_t blank = received.find("\r\n\r\n");
  const size_t head = blank == std::string::npos ? received.size() : blank + 4;
  if (head > limits.head_bytes_max) frame.refusal = 431;
  if (blank == std::string::npos || frame.refusal != 0) return frame;
  frame.head_bytes = head;
  std::string_view rest = std::string_view(received).substr(0, blank + 2);
  const size_t first_end = rest.find("\r\n");
  const std::string_view first = rest.substr(0, first_end);
  if (first.ends_with(" HTTP/1.0")) {
    frame.is_last = true;
  } else if (!first.ends_with(" HTTP/1.1")) {
    frame.refusal = first.find(" HTTP/") == std::string_view::npos ? 400 : 505;
    return frame;
  }
  rest.remove_prefix(first_end + 2);
  bool has_length = false;
  for (size_t count = 0; !rest.empty() && frame.refusal == 0; ++count) {
    const size_t end = rest.find("\r\n");
    frame.refusal = count == kHeadersMax ? 431 : read_header(rest.substr(0, end), limits, frame, has_length);
    rest.remove_prefix(end + 2);
  }
  return frame;
}

}  // namespace sluice
