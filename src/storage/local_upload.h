// Writes one local file so that it appears whole and durable, or not at all. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "storage/object_store.h"
#include "storage/posix_file.h"

namespace sluice {

/// Files being written are named ".<uuid>" + this, beside their final place; only a killed process leaves one behind.
inline constexpr std::string_view kUnfinishedSuffix = ".sluice-tmp";

/// Makes missing folders above `path`, durably. `like`: the file gets its permissions, its time and its owner, as far as it is allowed to.
Result<std::unique_ptr<Upload>> start_local_upload(std::string path, const PutOptions& options, std::optional<struct stat> like = {});

/// fsync of a folder: its entries are durable.
Result<void> sync_folder(const std::string& path);
Result<void> sync_folder(const Fd& folder, const std::string& path);
/// With those above it, durable.
Result<void> make_folders(const std::string& folder);

}  // namespace sluice
