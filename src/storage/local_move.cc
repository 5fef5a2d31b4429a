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

/// A name that a file has or had, in a folder that is open.
struct OpenName {
  int folder;
  const std::string& name;
  const std::string& path;
};

/// The same of what has just got the name `now`. Another version goes back to its own name, unless that is taken again.
Result<void> check_renamed(const OpenName& now, const OpenName& before, const std::string& version) {
  struct stat status{};
  if (fstatat(now.folder, now.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return {};
  auto checked = check_version(status, before.path, version);
  if (checked || renameat2(now.folder, now.name.c_str(), before.folder, before.name.c_str(), RENAME_NOREPLACE) == 0) return checked;
  return fail(ErrorCode::kConflict, fmt::format("{}: another version of it came at that moment, and one more since; the first of them lies "
                                                "at {}: move it back",
                                                before.path, now.path));
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
  // Between the look and the rename a sender may have put another version there.
  TRY(check_renamed({to.folder.get(), to.name, to.path}, {from.folder.get(), from.name, from.path}, version));
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
  std::string name = file.name;
  if (!version.empty() && !S_ISLNK(status.st_mode)) {
    // Looked at once more under a name that no sender writes to: until here another version may have taken its place.
    const std::string aside = fmt::format(".sluice-removed-{:x}", status.st_ino);
    if (renameat2(file.folder.get(), name.c_str(), file.folder.get(), aside.c_str(), RENAME_NOREPLACE) == 0) {
      const std::string path = file.path.substr(0, file.path.rfind('/') + 1) + aside;
      TRY(check_renamed({file.folder.get(), aside, path}, {file.folder.get(), file.name, file.path}, version));
      name = aside;
    }
  }
  if (unlinkat(file.folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return std::unexpected(io_error(errno, "removing", file.path));
  }
  return sync_folder(file.folder, file.path);
}

}  // namespace sluice
