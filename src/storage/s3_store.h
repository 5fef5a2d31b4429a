// ObjectStore over an S3 service: one endpoint, region and set of credentials; any bucket of it. Keys are "s3://bucket/key". Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "storage/object_store.h"
#include "storage/s3_client.h"
#include "storage/s3_proof.h"

namespace sluice {

class S3Store final : public ObjectStore {
 public:
  /// The HTTP client must outlive the store.
  S3Store(S3Options options, AwsSettings settings, HttpClient& http, Clock& clock)
      : client_(std::make_shared<S3Client>(std::move(options), std::move(settings), http, clock)) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override;
  Result<ObjectInfo> stat(const Key& key, Context& context) override;
  Result<ObjectHead> head(const Key& key, Context& context) override;
  void read(ReadRequest request, ReadDone done) override;
  /// The first conditional put into a bucket is sent a second time: it must be refused, else kInvalidInput (a store that ignores
  /// conditions would let two commits win). The object's bytes are the same either way.
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override;
  /// The same for large objects, whose condition is one of the upload's completion: the first one in a bucket is copied onto itself.
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) override;
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override;
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override;
  Result<void> tag(const VersionedKey& object, const ObjectTag& tag, Context& context) override;
  std::unique_ptr<Blob> open(const ObjectInfo& object) override;
  int lists_at_once() const override { return 8; }
  Result<void> remove_unfinished(const Key& prefix, Context& context) override;

 private:
  Result<void> probe(const S3Address& address, const std::shared_ptr<const std::string>& bytes, Context& context);
  Result<void> remove_many(const S3Address& bucket, std::span<const std::string> keys, std::map<std::string, Error>& faults,
                           Context& context);
  Result<std::vector<ObjectTag>> tags_of(const S3Address& address, Context& context);
  Result<void> remove_one(const S3Address& address, const std::string& version, Context& context);

  const std::shared_ptr<S3Client> client_;
  const std::shared_ptr<S3ConditionProof> proof_ = std::make_shared<S3ConditionProof>();
};

}  // namespace sluice
