// Percent-encoding by the rules that AWS signs by: everything but A-Z a-z 0-9 - . _ ~, in upper-case hexadecimal. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// Also "/" becomes %2F: names and values of a query, one segment of a path.
std::string percent_encode(std::string_view text);
/// "/" stays.
std::string percent_encode_path(std::string_view path);
/// Undoes %XX; what is no such triple stays as it is, "+" included.
std::string percent_decode(std::string_view text);

}  // namespace sluice
