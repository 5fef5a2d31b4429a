// What this process has seen a service hold to, bucket by bucket: that it refuses conditional writes over what is there. Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace sluice {

enum class S3ConditionalWrite { kPut, kCompleteUpload };

class S3ConditionProof {
 public:
  bool has(S3ConditionalWrite what, const std::string& bucket) const {
    std::lock_guard lock(mutex_);
    return seen_.contains({what, bucket});
  }
  void add(S3ConditionalWrite what, const std::string& bucket) {
    std::lock_guard lock(mutex_);
    seen_.insert({what, bucket});
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<S3ConditionalWrite, std::string>> seen_;  // protected by mutex_
};

}  // namespace sluice
