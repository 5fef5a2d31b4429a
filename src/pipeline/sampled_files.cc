#include "pipeline/sampled_files.h"

namespace sluice {

void SampledFiles::keep(const ClaimedFile& file, std::string_view bytes) {
  std::lock_guard lock(mutex_);
  if (bytes_ + std::ssize(bytes) > kSampledBytesMax) return;
  const bool added = by_path_.try_emplace(file.path, Kept{file.version, std::string(bytes)}).second;
  if (added) bytes_ += std::ssize(bytes);
}

std::optional<std::string> SampledFiles::take(const ClaimedFile& file) {
  std::lock_guard lock(mutex_);
  const auto kept = by_path_.find(file.path);
  if (kept == by_path_.end() || kept->second.version != file.version) return std::nullopt;
  std::string bytes = std::move(kept->second.bytes);
  by_path_.erase(kept);
  bytes_ -= std::ssize(bytes);
  return bytes;
}

}  // namespace sluice
