// ObjectStore in memory for tests, stricter than real ones: it refuses keys that are no absolute URI and tokens of other listings,
// keeps pages small on demand, and can list out of byte order. Deterministic. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "storage/object_store.h"

namespace sluice {

struct MemoryStoreOptions {
  int64_t page_entries_max = 1000;
  bool folder_order = false;  ///< list "a/b" before "a-b" and "a.b", as stores do that walk folders: not byte order, and the pages say so
  bool content_versions = false;  ///< as ETags of S3: an object that is put as it was before has its version of then
};

class MemoryStore final : public ObjectStore {
 public:
  explicit MemoryStore(Clock& clock, MemoryStoreOptions options = {}) : clock_(clock), options_(options) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override;
  Result<ObjectInfo> stat(const Key& key, Context& context) override;
  Result<ObjectHead> head(const Key& key, Context& context) override;
  void read(ReadRequest request, ReadDone done) override;
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override;
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) override;
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override;
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override;

  /// The process dies: uploads not completed vanish, and can never be completed.
  void lose_unfinished();
  int64_t unfinished_uploads() const;
  std::vector<Key> keys() const;
  std::map<std::string, std::string> metadata(const Key& key) const;

 private:
  friend class MemoryUpload;
  struct Object {
    std::shared_ptr<const std::string> bytes;
    ObjectInfo info;
    std::map<std::string, std::string> metadata;
  };

  Result<ObjectInfo> store(const Key& key, std::string bytes, const PutOptions& options);
  Result<std::string> read_range(const ReadRequest& request) const;
  Result<const Object*> find(const Key& key) const;
  std::vector<const Object*> listed(const ListRequest& request) const;

  Clock& clock_;
  const MemoryStoreOptions options_;
  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::map<Key, Object> objects_;
  int64_t next_version_ = 1;
  int64_t unfinished_ = 0;
  int64_t lives_ = 0;  // an upload of an earlier life is lost
};

}  // namespace sluice
