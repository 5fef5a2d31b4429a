// Bytes as lower-case hexadecimal text. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

std::string to_hex(std::string_view bytes);
/// nullopt: an odd length, or a character that is no digit.
std::optional<std::string> from_hex(std::string_view text);

}  // namespace sluice
