// The stores of a process, by URI scheme and, for S3, by endpoint, region, credentials and style. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "net/aws_settings.h"
#include "net/http.h"
#include "storage/local_store.h"
#include "storage/object_store.h"

namespace sluice {

/// Local folders and S3; every other scheme is kInvalidInput. Sources and warehouses whose properties say the same share one S3 store;
/// stores that trust the same certificates and keep the same time limits share connections.
class Stores final : public StoreProvider {
 public:
  explicit Stores(Clock& clock, Environment environment = process_environment()) : clock_(clock), environment_(std::move(environment)) {}
  ~Stores() override;

  Result<ObjectStore*> store_for(const Key& uri, const std::map<std::string, std::string>& properties) override;
  Result<std::shared_ptr<ObjectStore>> borrow(const Key& uri, const std::map<std::string, std::string>& properties) override;

 private:
  using StoreProperties = std::map<std::string, std::string>;

  /// kInvalidInput: a scheme that is none of ours.
  Result<std::shared_ptr<ObjectStore>> find(const Key& uri, const StoreProperties& properties, bool keep);
  Result<std::shared_ptr<ObjectStore>> s3_store(const StoreProperties& properties, bool keep);
  Result<HttpClient*> http_client(const HttpOptions& options);

  Clock& clock_;
  const Environment environment_;
  LocalStore local_;

  std::mutex mutex_;
  // Protected by mutex_. Clients go last: what is under way completes then.
  std::vector<std::pair<HttpOptions, std::unique_ptr<HttpClient>>> clients_;
  // Those for good, and all that somebody holds; by their s3.* and client.* properties.
  std::map<StoreProperties, std::shared_ptr<ObjectStore>> kept_;
  std::map<StoreProperties, std::weak_ptr<ObjectStore>> open_;
};

/// The stores of one piece of work (a run): they are borrowed, and given back when it is over. Thread-safe.
class BorrowedStores final : public StoreProvider {
 public:
  explicit BorrowedStores(StoreProvider& stores) : stores_(stores) {}
  Result<ObjectStore*> store_for(const Key& uri, const std::map<std::string, std::string>& properties) override;

 private:
  StoreProvider& stores_;
  std::mutex mutex_;
  std::set<std::shared_ptr<ObjectStore>> held_;  // protected by mutex_
};

/// One store for every URI (tests, and stores with decorators around them). The store must outlive it.
class SingleStore final : public StoreProvider {
 public:
  explicit SingleStore(ObjectStore& store) : store_(store) {}
  Result<ObjectStore*> store_for(const Key&, const std::map<std::string, std::string>&) override { return &store_; }

 private:
  ObjectStore& store_;
};

}  // namespace sluice
