// The stores of a process, by URI scheme. Thread-safe.
#pragma once

#include "storage/local_store.h"
#include "storage/object_store.h"

namespace sluice {

/// Local folders; every other scheme is kInvalidInput.
class Stores final : public StoreProvider {
 public:
  Result<ObjectStore*> store_for(const Key& uri, const std::map<std::string, std::string>& properties) override;

 private:
  LocalStore local_;
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
