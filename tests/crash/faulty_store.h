// ObjectStore whose every I/O asks a FaultPlan first: list pages, stats, read completions, puts, parts and ends of uploads, copies,
// removals, and opening and each read of a blob. Both must outlive it and what it opened. Thread-safe as the wrapped store is.
// A crash does not tidy: drop the unfinished uploads of the wrapped store afterwards (MemoryStore::lose_unfinished).
#pragma once

#include "fault_plan.h"
#include "storage/object_store.h"

namespace sluice {

class FaultyStore final : public ObjectStore {
 public:
  FaultyStore(ObjectStore& store, FaultPlan& plan) : store_(store), plan_(plan) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override;  // "store.list"
  Result<ObjectInfo> stat(const Key& key, Context& context) override;            // "store.stat"
  Result<ObjectHead> head(const Key& key, Context& context) override;            // "store.head"
  void read(ReadRequest request, ReadDone done) override;                        // "store.read"
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override;  // "store.put"
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options,
                                               Context& context) override;                                        // "store.upload.start"
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override;  // "store.copy"
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override;       // "store.remove"
  std::unique_ptr<Blob> open(const ObjectInfo& object) override;  // its sources: "store.open", "store.read"
  void remove_empty_folders(const Key& prefix) override;          // "store.remove_empty_folders"

 private:
  ObjectStore& store_;
  FaultPlan& plan_;
};

}  // namespace sluice
