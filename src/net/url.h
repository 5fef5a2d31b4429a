// Text in URLs. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

/// "a=1&b=x%20y": a query, or the body of a form.
std::string encode_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

/// A URL as it may be shown and stored: without user, query and fragment, without a trailing "/".
std::string shown_url(std::string_view url);

}  // namespace sluice
