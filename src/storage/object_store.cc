#include "storage/object_store.h"

#include <algorithm>
#include <cstring>
#include <future>

#include "storage/byte_extent.h"

namespace sluice {
namespace {

/// Reads a range block by block through ObjectStore::read(), which checks the version each time.
class StoreSource final : public ByteSource {
 public:
  StoreSource(ObjectStore& store, const ObjectInfo& object, int64_t begin, int64_t end)
      : store_(store), key_(object.path), version_(object.version), next_(begin), end_(end) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size()) {
      if (used_ == block_.size()) {
        if (next_ == end_) break;
        TRY(context.check());
        TRY(fetch());
      }
      const size_t count = std::min(into.size() - filled, block_.size() - used_);
      std::memcpy(into.data() + filled, block_.data() + used_, count);
      used_ += count;
      filled += count;
    }
    return filled;
  }

 private:
  Result<void> fetch() {
    const int64_t length = std::min(kReadBlockBytes, end_ - next_);
    TRY_ASSIGN(block_, read_now(store_, {key_, version_, {next_, length}}));
    used_ = 0;
    if (static_cast<int64_t>(block_.size()) != length) {
      return std::unexpected(Error{ErrorCode::kConflict,
                                   "reading " + key_ + ": it ended before its listed size; it is read again, by this run or the next",
                                   std::string(error_type::kChangedWhileRead)});
    }
    next_ += length;
    return {};
  }

  ObjectStore& store_;
  const Key key_;
  const std::string version_;
  int64_t next_;
  const int64_t end_;
  std::string block_;
  size_t used_ = 0;
};

class StoreBlob final : public Blob {
 public:
  StoreBlob(ObjectStore& store, ObjectInfo object) : store_(store), object_(std::move(object)) {}

  int64_t size_bytes() const override { return object_.size_bytes; }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY(context.check());
    const auto [begin, end] = extent_within(range, object_.size_bytes);
    return std::make_unique<StoreSource>(store_, object_, begin, end);
  }

 private:
  ObjectStore& store_;
  const ObjectInfo object_;
};

}  // namespace

std::unique_ptr<Blob> ObjectStore::open(const ObjectInfo& object) { return std::make_unique<StoreBlob>(*this, object); }

Result<ObjectHead> ObjectStore::head(const Key& key, Context& context) {
  TRY_ASSIGN(ObjectInfo info, stat(key, context));
  return ObjectHead{std::move(info), {}};
}

Result<MoveEnd> ObjectStore::rename(const VersionedKey&, const Key&, Context&) { return MoveEnd::kElsewhere; }

Result<void> ObjectStore::tag(const VersionedKey& object, const ObjectTag&, Context&) {
  return invalid_input(object.key + ": its store keeps no tags");
}

void ObjectStore::remove_empty_folders(const Key&) {}

Result<void> ObjectStore::remove_unfinished(const Key&, Context&) { return {}; }

Result<std::string> read_now(ObjectStore& store, ReadRequest request) {
  std::promise<Result<std::string>> promise;
  std::future<Result<std::string>> answer = promise.get_future();
  store.read(std::move(request), [&promise](Result<std::string> bytes) { promise.set_value(std::move(bytes)); });
  return answer.get();
}

Result<std::shared_ptr<ObjectStore>> StoreProvider::borrow(const Key& uri, const std::map<std::string, std::string>& properties) {
  TRY_ASSIGN(ObjectStore * store, store_for(uri, properties));
  return std::shared_ptr<ObjectStore>(std::shared_ptr<void>(), store);  // nobody's to end
}

std::unique_ptr<Blob> open_blob(ObjectStore& store, const ObjectInfo& object) { return store.open(object); }

}  // namespace sluice
