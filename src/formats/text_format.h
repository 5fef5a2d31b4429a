// Plain text, a row a line: columns `line_number` (long) and `value` (string). With a pattern: `line_number` and a column for each of its
// named groups, in types that are inferred as those of CSV fields are; an empty group and one that took no part are null. A line that the
// pattern does not find anything in is a bad row, an empty line is passed over. Thread-safe.
#pragma once

#include "formats/format.h"

namespace sluice {

const Format& text_format();

}  // namespace sluice
