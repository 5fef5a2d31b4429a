// ObjectStore over local folders. Keys in `file:///...`, `file:/...` or `/...`; answers in `file:///...`. Thread-safe.
// Listings follow links to files, and name links to folders in a warning without entering them. Metadata of puts is not kept.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "storage/local_listing.h"
#include "storage/object_store.h"

namespace sluice {

class LocalStore final : public ObjectStore {
 public:
  Result<ListPage> list(const ListRequest& request, Context& context) override;
  Result<ObjectInfo> stat(const Key& key, Context& context) override;
  /// To who looks for an object, a folder of its name is none.
  Result<ObjectHead> head(const Key& key, Context& context) override;
  void read(ReadRequest request, ReadDone done) override;
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override;
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) override;
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override;
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override;
  Result<MoveEnd> rename(const VersionedKey& from, const Key& to, Context& context) override;
  std::unique_ptr<Blob> open(const ObjectInfo& object) override;
  void remove_empty_folders(const Key& prefix) override;

 private:
  /// A listing between two of its pages. Only a shortcut: its token alone says where to go on.
  struct Paused {
    std::string token;
    std::unique_ptr<LocalListing> listing;
  };
  Result<std::unique_ptr<LocalListing>> start_or_resume(const ListRequest& request);

  std::mutex mutex_;
  // Protected by mutex_.
  std::list<Paused> paused_;
  int64_t next_token_ = 1;
};

}  // namespace sluice
