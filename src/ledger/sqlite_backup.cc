#include "ledger/sqlite_backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/ids.h"

namespace sluice {
namespace {

/// No copy takes so long.
constexpr std::chrono::hours kStaleCopyAge{1};

std::unexpected<Error> failed(std::string_view doing, const std::string& path, int error_number) {
  return fail(ErrorCode::kUnavailable, fmt::format("{} {}: {}", doing, path, std::strerror(error_number)));
}

/// Of a file or a folder: what was written and renamed so far survives a power cut.
Result<void> sync(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed("opening", path, errno);
  const int error_number = fsync(file) == 0 ? 0 : errno;
  close(file);
  return error_number == 0 ? Result<void>{} : failed("syncing", path, error_number);
}

Result<void> move(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return failed("renaming", from, errno);
  const auto folder = std::filesystem::path(to).parent_path().string();
  return sync(folder.empty() ? "." : folder);
}

/// Copies that a process left when it was killed.
void remove_stale_copies(const std::string& ledger_path) {
  const std::filesystem::path path(ledger_path);
  const std::string prefix = path.filename().string() + ".copy-";
  std::error_code ended;
  for (std::filesystem::directory_iterator entry(path.parent_path(), ended), end; !ended && entry != end; entry.increment(ended)) {
    std::error_code unknown;
    const auto age = std::filesystem::file_time_type::clock::now() - entry->last_write_time(unknown);
    if (unknown || age < kStaleCopyAge || !entry->path().filename().string().starts_with(prefix)) continue;
    std::filesystem::remove(entry->path(), unknown);
  }
}

Result<void> check(const std::string& path, FileCheck how) {
  TRY_ASSIGN(const auto copy, SqliteConnection::open(path, {.create = false}));
  return copy->check_file(how);
}

/// A copy of `from` beside `ledger_path`, checked and durable, under a name that nobody else uses.
Result<std::string> checked_copy(SqliteConnection& from, const std::string& ledger_path, FileCheck how) {
  const std::string path = fmt::format("{}.copy-{}", ledger_path, new_uuid());
  auto copied = from.copy_to(path);
  if (copied) copied = check(path, how);
  if (copied) copied = sync(path);
  if (copied) return path;
  unlink(path.c_str());
  return std::unexpected(copied.error());
}

}  // namespace

std::string backup_path(const std::string& ledger_path) { return ledger_path + ".backup"; }

bool is_backup_due(const std::string& ledger_path, Timestamp now) {
  struct stat status{};
  if (stat(backup_path(ledger_path).c_str(), &status) != 0) return true;
  const auto made = std::chrono::seconds(status.st_mtim.tv_sec);
  return now - Timestamp{std::chrono::microseconds(made).count()} >= kBackupInterval;
}

Result<void> make_backup(SqliteConnection& ledger, const std::string& ledger_path) {
  remove_stale_copies(ledger_path);
  // The first one takes nobody's place: what it lacks, restoring would find. Later ones replace a good copy.
  const bool first = !std::filesystem::exists(backup_path(ledger_path));
  auto copy = checked_copy(ledger, ledger_path, first ? FileCheck::kPages : FileCheck::kEverything);
  if (!copy) return std::unexpected(copy.error().within("backing up the ledger"));
  return move(*copy, backup_path(ledger_path));
}

bool is_sound(const std::string& ledger_path) {
  const auto ledger = SqliteConnection::open(ledger_path, {.read_only = true, .create = false});
  return ledger && (*ledger)->check_file(FileCheck::kPages);
}

Result<std::string> restore_backup(const std::string& ledger_path, Timestamp now) {
  const std::string backup = backup_path(ledger_path);
  TRY_ASSIGN(const auto source, SqliteConnection::open(backup, {.create = false}));
  TRY_ASSIGN(const std::string copy, checked_copy(*source, ledger_path, FileCheck::kEverything));
  const std::string aside = fmt::format("{}.damaged-{}", ledger_path, to_text(now));
  // The log belongs to the file it was written for: laid over another one it would damage that as well.
  for (const char* part : {"-wal", "-shm", ""}) {
    const std::string from = ledger_path + part;
    if (std::filesystem::exists(from)) TRY(move(from, aside + part));
  }
  TRY(move(copy, ledger_path));
  return aside;
}

}  // namespace sluice
