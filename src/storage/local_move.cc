#include "storage/local_move.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "storage/local_upload.h"

namespace sluice {
namespace {

Result<void> check_version(const struct stat& status, std::string_view path, std::string_view version) {
  if (version.empty() || version_of(status) == version) return {};
  return fail(ErrorCode::kConflict, fmt::format("{}: it is no longer at version {}; it stays where it is", path, version));
}

}  // namespace

Result<NameInFolder> open_name(const std::string& path, bool make) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
  if (make) TRY(make_folders(folder));
  TRY_ASSIGN(Fd opened, open_folder(folder));
  return NameInFolder{std::move(opened), path.substr(slash + 1), path};
}

Result<MoveEnd> rename_local_file(const NameInFolder& from, const std::string& version, const NameInFolder& to) {
  struct stat status{};
  if (fstatat(from.folder.get(), from.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return std::unexpected(io_error(errno, "moving", from.path));
  }
  if (S_ISLNK(status.st_mode)) return invalid_input(fmt::format("{}: a link is not moved; it stays where it is", from.path));
  TRY(check_version(status, from.path, version));
  if (renameat2(from.folder.get(), from.name.c_str(), to.folder.get(), to.name.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return MoveEnd::kTargetTaken;
    if (errno == EXDEV || errno == EINVAL || errno == ENOSYS) return MoveEnd::kElsewhere;
    return std::unexpected(io_error(errno, "moving", from.path));
  }
  TRY(sync_folder(to.folder, to.path));
  TRY(sync_folder(from.folder, from.path));
  return MoveEnd::kMoved;
}

Result<void> remove_local_file(const NameInFolder& file, const std::string& version) {
  struct stat status{};
  if (fstatat(file.folder.get(), file.name.c_str(), &status, 0) != 0) {
    return errno == ENOENT ? Result<void>{} : std::unexpected(io_error(errno, "removing", file.path));
  }
  TRY(check_version(status, file.path, version));
  if (unlinkat(file.folder.get(), file.name.c_str(), 0) != 0 && errno != ENOENT) {
    return std::unexpected(io_error(errno, "removing", file.path));
  }
  return sync_folder(file.folder, file.path);
}

}  // namespace sluice
