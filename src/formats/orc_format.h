// ORC: stripes are read one after the other, a few thousand rows at a time, through Arrow's reader. Thread-safe; its readers are not.
#pragma once

#include "formats/format.h"

namespace sluice {

/// Blobs must outlive the readers opened on them.
const Format& orc_format();

}  // namespace sluice
