// Bytes from hexadecimal text (net/digest.h writes it). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

/// nullopt: an odd length, or a character that is no digit.
std::optional<std::string> from_hex(std::string_view text);

}  // namespace sluice
