#include "net/url.h"

#include <algorithm>

#include "net/percent.h"

namespace sluice {

std::string encode_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += percent_encode(name) + '=' + percent_encode(value);
  }
  return out;
}

std::string shown_url(std::string_view url) {
  url = url.substr(0, std::min(url.find_first_of("?#"), url.size()));
  while (url.ends_with('/')) url.remove_suffix(1);
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t host = scheme + 3;
  const size_t path = std::min(url.find('/', host), url.size());
  const size_t user_end = url.substr(0, path).rfind('@');
  if (user_end == std::string_view::npos || user_end < host) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(user_end + 1));
}

}  // namespace sluice
