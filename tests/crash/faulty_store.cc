#include "faulty_store.h"

namespace sluice {
namespace {

class FaultyUpload final : public Upload {
 public:
  FaultyUpload(std::unique_ptr<Upload> upload, FaultPlan& plan) : upload_(std::move(upload)), plan_(plan) {}

  Result<void> write(std::span<const char> bytes, Context& context) override {
    return plan_.run("store.upload.part", Effect::kRepeatable, [&] { return upload_->write(bytes, context); });
  }
  Result<ObjectInfo> complete(Context& context) override {
    return plan_.run("store.upload.complete", Effect::kWrite, [&] { return upload_->complete(context); });
  }
  Result<void> abort(Context& context) override {
    return plan_.run("store.upload.abort", Effect::kRepeatable, [&] { return upload_->abort(context); });
  }

 private:
  const std::unique_ptr<Upload> upload_;
  FaultPlan& plan_;
};

class FaultySource final : public ByteSource {
 public:
  FaultySource(std::unique_ptr<ByteSource> source, FaultPlan& plan) : source_(std::move(source)), plan_(plan) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    return plan_.run("store.read", Effect::kRead, [&] { return source_->read(into, context); });
  }

 private:
  const std::unique_ptr<ByteSource> source_;
  FaultPlan& plan_;
};

class FaultyBlob final : public Blob {
 public:
  FaultyBlob(std::unique_ptr<Blob> blob, FaultPlan& plan) : blob_(std::move(blob)), plan_(plan) {}

  int64_t size_bytes() const override { return blob_->size_bytes(); }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY_ASSIGN(auto source, plan_.run("store.open", Effect::kRead, [&] { return blob_->open(range, context); }));
    return std::make_unique<FaultySource>(std::move(source), plan_);
  }

 private:
  const std::unique_ptr<Blob> blob_;
  FaultPlan& plan_;
};

}  // namespace

Result<ListPage> FaultyStore::list(const ListRequest& request, Context& context) {
  return plan_.run("store.list", Effect::kRead, [&] { return store_.list(request, context); });
}

Result<ObjectInfo> FaultyStore::stat(const Key& key, Context& context) {
  return plan_.run("store.stat", Effect::kRead, [&] { return store_.stat(key, context); });
}

Result<ObjectHead> FaultyStore::head(const Key& key, Context& context) {
  return plan_.run("store.head", Effect::kRead, [&] { return store_.head(key, context); });
}

void FaultyStore::read(ReadRequest request, ReadDone done) {
  if (const std::optional<Fault> fault = plan_.next("store.read", Effect::kRead)) {
    done(std::unexpected(FaultPlan::error_of("store.read", fault->kind, Effect::kRead)));
    return;
  }
  store_.read(std::move(request), std::move(done));
}

Result<ObjectInfo> FaultyStore::put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) {
  return plan_.run("store.put", Effect::kWrite, [&] { return store_.put(key, bytes, options, context); });
}

Result<std::unique_ptr<Upload>> FaultyStore::start_upload(const Key& key, const PutOptions& options, Context& context) {
  TRY_ASSIGN(auto upload, plan_.run("store.upload.start", Effect::kRepeatable, [&] { return store_.start_upload(key, options, context); }));
  return std::make_unique<FaultyUpload>(std::move(upload), plan_);
}

Result<ObjectInfo> FaultyStore::copy(const Key& from, const Key& to, const PutOptions& options, Context& context) {
  return plan_.run("store.copy", Effect::kWrite, [&] { return store_.copy(from, to, options, context); });
}

Result<std::vector<DeleteOutcome>> FaultyStore::remove(std::span<const VersionedKey> keys, Context& context) {
  return plan_.run("store.remove", Effect::kRepeatable, [&] { return store_.remove(keys, context); });
}

std::unique_ptr<Blob> FaultyStore::open(const ObjectInfo& object) { return std::make_unique<FaultyBlob>(store_.open(object), plan_); }

void FaultyStore::remove_empty_folders(const Key& prefix) {
  const std::optional<Fault> fault = plan_.next("store.remove_empty_folders", Effect::kRepeatable);
  if (!fault || FaultPlan::happens(fault->kind)) store_.remove_empty_folders(prefix);
}

}  // namespace sluice
