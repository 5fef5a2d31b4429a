// How deep JSON text is nested, found without parsing it: JSON libraries recurse, and text from outside must not choose how deep. Pure.
#pragma once

#include <string_view>

namespace sluice {

/// Whether objects and arrays stand more than `depth_max` levels inside one another. One pass, no memory; says nothing about whether
/// the text is JSON at all.
bool nested_too_deep(std::string_view text, int depth_max);

}  // namespace sluice
