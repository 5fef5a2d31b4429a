#include "storage/local_move.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "storage/local_upload.h"
#include "storage/posix_file.h"

namespace sluice {
namespace {

std::string folder_of(const std::string& path) { return path.substr(0, std::max<size_t>(1, path.rfind('/'))); }

}  // namespace

Result<MoveEnd> move_local_file(const std::string& from, const std::string& version, const std::string& to) {
  struct stat status{};
  if (lstat(from.c_str(), &status) != 0) return std::unexpected(io_error(errno, "moving", from));
  if (version_of(status) != version) {
    return fail(ErrorCode::kConflict, fmt::format("{}: it is no longer at version {}; it stays where it is", from, version));
  }
  TRY(make_folders(folder_of(to)));
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return MoveEnd::kTargetTaken;
    if (errno == EXDEV || errno == EINVAL || errno == ENOSYS) return MoveEnd::kElsewhere;
    return std::unexpected(io_error(errno, "moving", from));
  }
  TRY(sync_folder(folder_of(to)));
  TRY(sync_folder(folder_of(from)));
  return MoveEnd::kMoved;
}

}  // namespace sluice
