// Moves one local file by renaming it: at once, and never over another file. Thread-safe.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice {

enum class MoveEnd {
  kMoved,        ///< and both folders are synced
  kTargetTaken,  ///< something lies at `to`: nothing was done
  kElsewhere,    ///< `to` is on another file system: nothing was done; copy it
};

/// Paths, not URIs. Makes the folders of `to`. kNotFound: nothing at `from`; kConflict: it is no longer at `version`.
Result<MoveEnd> move_local_file(const std::string& from, const std::string& version, const std::string& to);

}  // namespace sluice
