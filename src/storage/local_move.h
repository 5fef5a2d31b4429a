// Moves and removes one local file at the version that somebody knows, in folders that are open. Thread-safe.
#pragma once

#include <string>

#include "base/error.h"
#include "storage/object_store.h"
#include "storage/posix_file.h"

namespace sluice {

/// A file by its name in an open folder; `path` is for messages.
struct NameInFolder {
  Fd folder;
  std::string name;
  std::string path;
};

/// The path's folder, opened as it stands; `make`: with the folders above it, where they are missing.
Result<NameInFolder> open_name(const std::string& path, bool make);

/// ObjectStore::rename(). A link is not moved: what it says may be relative.
Result<MoveEnd> rename_local_file(const NameInFolder& from, const std::string& version, const NameInFolder& to);

/// Nothing there is fine. kConflict: it is at another version; empty: any.
Result<void> remove_local_file(const NameInFolder& file, const std::string& version);

}  // namespace sluice
