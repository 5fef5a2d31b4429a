// Loaded into the real program (LD_PRELOAD): remembers what a loss of power would leave, and takes the power away. A disk keeps of a file
// what it held at its last fsync, of a folder the names it had at its last fsync; everything else may be gone, so here it is.
//
//   POWER_LOSS_STATE   a folder on the same file system: files/INODE (bytes), folders/INODE ("INODE NAME\0" each), kept/ (inodes that the
//                      program unlinked, so that none is used again), syncs (a byte for each)
//   POWER_LOSS_AT      the sync before which the process dies, counted from 1; 0 or not set: it lives
//
// tests/power_loss.py makes the disk of it.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

std::mutex mutex;
int syncs = 0;
int kept = 0;

const std::string& state() {
  static const std::string folder = std::getenv("POWER_LOSS_STATE");
  return folder;
}

int dies_at() {
  static const int at = std::getenv("POWER_LOSS_AT") ? std::atoi(std::getenv("POWER_LOSS_AT")) : 0;
  return at;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int open_file(const std::string& path, int flags) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  return real(path.c_str(), flags | O_CLOEXEC, 0644);
}

std::string place(const char* kind, ino_t inode) { return state() + "/" + kind + "/" + std::to_string(inode); }

void write_all(int fd, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0) abort();
    done += static_cast<size_t>(count);
  }
}

void replace_file(const std::string& path, const std::string& bytes) {
  static const auto real_rename = next<int (*)(const char*, const char*)>("rename");
  const std::string unfinished = path + "." + std::to_string(getpid());
  const int fd = open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0) abort();
  write_all(fd, bytes);
  close(fd);
  if (real_rename(unfinished.c_str(), path.c_str()) != 0) abort();
}

std::string bytes_of(const std::string& path) {
  const int fd = open_file(path, O_RDONLY);
  if (fd < 0) abort();
  std::string bytes;
  char buffer[64 * 1024];
  for (ssize_t count; (count = read(fd, buffer, sizeof buffer)) > 0;) bytes.append(buffer, static_cast<size_t>(count));
  close(fd);
  return bytes;
}

std::string names_in(const std::string& folder) {
  DIR* entries = opendir(folder.c_str());
  if (!entries) abort();
  std::string names;
  while (const dirent* entry = readdir(entries)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    names += std::to_string(entry->d_ino) + " " + name;
    names += '\0';
  }
  closedir(entries);
  return names;
}

/// An inode that is new has nothing on the disk.
void forget(ino_t inode) {
  static const auto real = next<int (*)(const char*)>("unlink");
  for (const char* kind : {"files", "folders"}) real(place(kind, inode).c_str());
}

void note_opened(int fd, int flags) {
  struct stat status{};
  const bool may_be_new = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (fd < 0 || !may_be_new || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != 0) return;
  const std::lock_guard lock(mutex);
  forget(status.st_ino);
}

/// The name goes, and the disk may still have it: its inode must not become another file.
void keep(int folder, const char* path) {
  static const auto real = next<int (*)(int, const char*, int, const char*, int)>("linkat");
  const std::lock_guard lock(mutex);
  const std::string to = state() + "/kept/" + std::to_string(getpid()) + "-" + std::to_string(++kept);
  real(folder, path, AT_FDCWD, to.c_str(), 0);
}

int sync_to_disk(int fd) {
  const std::lock_guard lock(mutex);
  if (++syncs == dies_at()) kill(getpid(), SIGKILL);
  struct stat status{};
  if (fstat(fd, &status) != 0) return -1;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (S_ISDIR(status.st_mode)) {
    replace_file(place("folders", status.st_ino), names_in(path));
  } else {
    replace_file(place("files", status.st_ino), bytes_of(path));
  }
  const int counter = open_file(state() + "/syncs", O_WRONLY | O_CREAT | O_APPEND);
  write_all(counter, ".");
  close(counter);
  return 0;
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

void note_made(int folder, const char* path) {
  struct stat status{};
  if (fstatat(folder, path, &status, 0) != 0) return;
  const std::lock_guard lock(mutex);
  forget(status.st_ino);
}

}  // namespace

extern "C" {

int fsync(int fd) { return sync_to_disk(fd); }
int fdatasync(int fd) { return sync_to_disk(fd); }

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  va_list arguments;
  va_start(arguments, flags);
  const int fd = real(path, flags, mode_of(flags, arguments));
  va_end(arguments);
  note_opened(fd, flags);
  return fd;
}

int openat(int folder, const char* path, int flags, ...) {
  static const auto real = next<int (*)(int, const char*, int, ...)>("openat");
  va_list arguments;
  va_start(arguments, flags);
  const int fd = real(folder, path, flags, mode_of(flags, arguments));
  va_end(arguments);
  note_opened(fd, flags);
  return fd;
}

int mkdir(const char* path, mode_t mode) {
  static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
  const int result = real(path, mode);
  if (result == 0) note_made(AT_FDCWD, path);
  return result;
}

int mkdirat(int folder, const char* path, mode_t mode) {
  static const auto real = next<int (*)(int, const char*, mode_t)>("mkdirat");
  const int result = real(folder, path, mode);
  if (result == 0) note_made(folder, path);
  return result;
}

int unlink(const char* path) {
  static const auto real = next<int (*)(const char*)>("unlink");
  keep(AT_FDCWD, path);
  return real(path);
}

int unlinkat(int folder, const char* path, int flags) {
  static const auto real = next<int (*)(int, const char*, int)>("unlinkat");
  if (flags == 0) keep(folder, path);
  return real(folder, path, flags);
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  keep(AT_FDCWD, to);
  return real(from, to);
}

}  // extern "C"
