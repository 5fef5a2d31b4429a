#include "ledger/worker_locks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kBatchIdBytesMax = 64;

// One slot of the file. A worker writes as much of it as its path needs; its successor reads them after its death, on the same machine.
struct Slot {
  uint32_t batch_length = 0;
  uint32_t path_length = 0;  // 0: nothing in hand
  std::array<char, kBatchIdBytesMax> batch{};
  std::array<char, kFilePathBytesMax> path{};
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// Whether the open file is still the one of that name: a clean-up may have removed the name before we had the lock.
bool is_at(int file, const std::string& path) {
  struct stat mine{}, there{};
  return fstat(file, &mine) == 0 && stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

int lock_waiting(int file) {
  int code;
  do {
    code = flock(file, LOCK_EX);
  } while (code != 0 && errno == EINTR);
  return code;
}

}  // namespace

WorkerLocks::~WorkerLocks() {
  if (file_ >= 0) close(file_);
}

std::string WorkerLocks::file_name(const WorkerId& worker) {
  std::string name = worker.text;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!plain) c = '_';
  }
  return name + ".lock";
}

Result<bool> WorkerLocks::hold() {
  if (file_ >= 0) return false;
  std::lock_guard guard(mutex_);
  if (file_ >= 0) return false;
  const std::string path = path_of(self_);
  const auto failed = [&](std::string_view what) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}: {}: {}; workers show by this file that they live", path, what, std::strerror(errno)));
  };
  std::error_code ignored;  // open() says it better
  std::filesystem::create_directories(folder_, ignored);
  while (true) {
    Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (file.number() < 0) return failed("cannot be made");
    // Another worker may look at it just now, for an instant: wait.
    if (lock_waiting(file.number()) != 0) return failed("cannot be locked");
    if (!is_at(file.number(), path)) continue;
    file_ = file.release();
    return true;
  }
}

void WorkerLocks::note_in_hand(int slot, const BatchId& batch, std::string_view path) {
  if (file_ < 0 || slot < 0 || slot >= kInHandSlotsMax || batch.text.size() > kBatchIdBytesMax || path.size() > kFilePathBytesMax) return;
  Slot note;
  note.batch_length = static_cast<uint32_t>(batch.text.size());
  note.path_length = static_cast<uint32_t>(path.size());
  std::copy(batch.text.begin(), batch.text.end(), note.batch.begin());
  std::copy(path.begin(), path.end(), note.path.begin());
  // Only what is used of the slot: this is written for every file.
  const ssize_t written =
      pwrite(file_, &note, offsetof(Slot, path) + path.size(), static_cast<off_t>(slot) * static_cast<off_t>(sizeof note));
  static_cast<void>(written);  // a lost note costs a death its name, nothing else
}

bool WorkerLocks::is_dead(const WorkerId& worker) const {
  const Descriptor file(open(path_of(worker).c_str(), O_RDWR | O_CLOEXEC));
  if (file.number() < 0) return errno == ENOENT;
  return flock(file.number(), LOCK_EX | LOCK_NB) == 0;
}

/// Asked with a shared lock, so that two who ask at once do not take each other for its holder.
bool WorkerLocks::is_held(const std::string& name) const {
  const Descriptor file(open((folder_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return errno != ENOENT;
  return flock(file.number(), LOCK_SH | LOCK_NB) != 0;
}

bool WorkerLocks::any_alive() const {
  return std::ranges::any_of(names(), [this](const std::string& name) { return is_held(name); });
}

bool WorkerLocks::any_dead() const {
  return std::ranges::any_of(names(), [this](const std::string& name) { return !is_held(name); });
}

std::vector<InHand> WorkerLocks::in_hand(const WorkerId& worker) const {
  std::vector<InHand> found;
  const Descriptor file(open(path_of(worker).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return found;
  Slot note;
  for (off_t slot = 0; slot < kInHandSlotsMax; ++slot) {
    const ssize_t got = pread(file.number(), &note, sizeof note, slot * static_cast<off_t>(sizeof note));
    if (got < static_cast<ssize_t>(offsetof(Slot, path))) break;
    if (note.path_length == 0 || note.path_length > static_cast<size_t>(got) - offsetof(Slot, path) ||
        note.path_length > note.path.size() || note.batch_length > note.batch.size())
      continue;
    found.push_back({BatchId(std::string(note.batch.data(), note.batch_length)), std::string(note.path.data(), note.path_length)});
  }
  return found;
}

std::vector<std::string> WorkerLocks::names() const {
  std::vector<std::string> found;
  std::error_code ended;
  for (std::filesystem::directory_iterator entry(folder_, ended), end; !ended && entry != end; entry.increment(ended)) {
    found.push_back(entry->path().filename().string());
  }
  return found;
}

void WorkerLocks::remove_if_dead(const std::string& name) const {
  const std::string path = folder_ + "/" + name;
  const Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.number() < 0 || flock(file.number(), LOCK_EX | LOCK_NB) != 0) return;
  if (is_at(file.number(), path)) unlink(path.c_str());
}

void WorkerLocks::retire() {
  std::lock_guard guard(mutex_);
  if (file_ < 0) return;
  unlink(path_of(self_).c_str());
  close(file_.exchange(-1));
}

}  // namespace sluice
