// One version of a local file as a Blob: bytes go from the file straight into the reader's buffer. Its sources share one descriptor,
// so a file renamed over is still read as it was. Not thread-safe; sources may be used on different threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "storage/object_store.h"
#include "storage/posix_file.h"

namespace sluice {

/// Opens the file at an absolute path for reading.
using FileOpener = std::function<Result<Fd>(const std::string& path)>;

/// Opens the file when the first source is opened.
std::unique_ptr<Blob> make_local_blob(ObjectInfo object, FileOpener opener = open_file);

}  // namespace sluice
