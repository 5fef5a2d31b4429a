// A store that passes everything on; tests override the operation they want to stand at.
#pragma once

#include "storage/object_store.h"

namespace sluice {

class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(ObjectStore& inner) : inner_(inner) {}

  Result<ListPage> list(const ListRequest& r, Context& c) override { return inner_.list(r, c); }
  Result<ObjectInfo> stat(const Key& k, Context& c) override { return inner_.stat(k, c); }
  Result<ObjectHead> head(const Key& k, Context& c) override { return inner_.head(k, c); }
  void read(ReadRequest r, ReadDone done) override { inner_.read(std::move(r), std::move(done)); }
  Result<ObjectInfo> put(const Key& k, std::span<const char> b, const PutOptions& o, Context& c) override { return inner_.put(k, b, o, c); }
  Result<std::unique_ptr<Upload>> start_upload(const Key& k, const PutOptions& o, Context& c) override {
    return inner_.start_upload(k, o, c);
  }
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& o, Context& c) override { return inner_.copy(from, to, o, c); }
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& c) override { return inner_.remove(keys, c); }
  Result<MoveEnd> rename(const VersionedKey& from, const Key& to, Context& c) override { return inner_.rename(from, to, c); }
  Result<void> tag(const VersionedKey& object, const ObjectTag& tag, Context& c) override { return inner_.tag(object, tag, c); }
  std::unique_ptr<Blob> open(const ObjectInfo& object) override { return inner_.open(object); }

 protected:
  ObjectStore& inner_;
};

}  // namespace sluice
