#include "storage/stores.h"

#include <fmt/format.h>

#include "storage/local_path.h"
#include "storage/s3_options.h"
#include "storage/s3_store.h"

namespace sluice {

Stores::~Stores() = default;

Result<ObjectStore*> Stores::store_for(const Key& uri, const StoreProperties& properties) {
  TRY_ASSIGN(const auto store, find(uri, properties, true));
  return store.get();
}

Result<std::shared_ptr<ObjectStore>> Stores::borrow(const Key& uri, const StoreProperties& properties) {
  return find(uri, properties, false);
}

Result<std::shared_ptr<ObjectStore>> Stores::find(const Key& uri, const StoreProperties& properties, bool keep) {
  if (is_local(uri)) return std::shared_ptr<ObjectStore>(std::shared_ptr<void>(), &local_);
  if (is_s3(uri)) return s3_store(properties, keep);
  const std::string_view scheme = scheme_of(uri);
  if (scheme.empty()) return invalid_input(fmt::format("{}: not an absolute path or URI", uri));
  return invalid_input(fmt::format("{}: no store for {}://; local paths, file:/// and s3:// are supported", uri, scheme));
}

Result<std::shared_ptr<ObjectStore>> Stores::s3_store(const StoreProperties& properties, bool keep) {
  StoreProperties own;
  for (const auto& [name, value] : properties) {
    if (name.starts_with("s3.") || name.starts_with("client.")) own.emplace(name, value);
  }
  std::lock_guard lock(mutex_);
  const auto known = open_.find(own);
  std::shared_ptr<ObjectStore> store = known == open_.end() ? nullptr : known->second.lock();
  if (!store) {
    TRY_ASSIGN(AwsSettings settings, AwsSettings::load(environment_, s3_profile(own)));
    TRY_ASSIGN(S3Options options, s3_options(own, settings));
    TRY_ASSIGN(HttpClient * http, http_client(options.http));
    store = std::make_shared<S3Store>(std::move(options), std::move(settings), *http, clock_);
    std::erase_if(open_, [](const auto& one) { return one.second.expired(); });
    open_.insert_or_assign(own, store);
  }
  if (keep) kept_.try_emplace(std::move(own), store);
  return store;
}

Result<HttpClient*> Stores::http_client(const HttpOptions& options) {
  for (const auto& [known, client] : clients_) {
    if (known == options) return client.get();
  }
  TRY_ASSIGN(std::unique_ptr<HttpClient> client, make_http_client(options));
  return clients_.emplace_back(options, std::move(client)).second.get();
}

Result<ObjectStore*> BorrowedStores::store_for(const Key& uri, const std::map<std::string, std::string>& properties) {
  TRY_ASSIGN(const auto store, stores_.borrow(uri, properties));
  std::lock_guard lock(mutex_);
  held_.insert(store);
  return store.get();
}

}  // namespace sluice
