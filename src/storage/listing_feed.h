// Files of a source as feeds: what its globs match in listings, or an explicit list. Not thread-safe.
// Ready rules apply to listings only: who lists files by hand means them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "model/ingestion.h"
#include "storage/file_feed.h"
#include "storage/object_store.h"

namespace sluice {

/// Lists `paths` (as in Source::paths) from their fixed prefixes, merged, each file once, in byte order while the store keeps it.
/// Ignore patterns are matched against each name below a path's fixed folder (those with a "/" against the rest of the path); a path
/// that names a file is not ignored. After an error, next() goes on where it stopped. kInvalidInput: a path that cannot be read as one.
/// What lies in `own_folders` (URIs ending in "/": where the program itself writes) is passed over, with a warning, by a path whose fixed
/// folder lies around that folder; a path into it means what it says.
Result<std::unique_ptr<FileFeed>> make_listing_feed(ObjectStore& store, std::span<const std::string> paths, const Ready& ready,
                                                    Clock& clock, std::span<const std::string> own_folders = {});

/// Asks the store for each of `paths`, sorted, each once. What is missing or no file becomes a warning.
Result<std::unique_ptr<FileFeed>> make_explicit_feed(ObjectStore& store, std::span<const std::string> paths);

}  // namespace sluice
