// The stores of a process, by URI scheme and, for S3, by endpoint, region, credentials and style. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
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

 private:
  Result<ObjectStore*> s3_store(const std::map<std::string, std::string>& properties);
  Result<HttpClient*> http_client(const HttpOptions& options);

  Clock& clock_;
  const Environment environment_;
  LocalStore local_;

  std::mutex mutex_;
  // Protected by mutex_. Clients go last: what is under way completes then.
  std::vector<std::pair<HttpOptions, std::unique_ptr<HttpClient>>> clients_;
  std::map<std::map<std::string, std::string>, std::unique_ptr<ObjectStore>> s3_stores_;  // by their s3.* and client.* properties
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
