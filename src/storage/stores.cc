#include "storage/stores.h"

#include <fmt/format.h>

#include "storage/local_path.h"
#include "storage/s3_options.h"
#include "storage/s3_store.h"

namespace sluice {

Stores::~Stores() = default;

Result<ObjectStore*> Stores::store_for(const Key& uri, const std::map<std::string, std::string>& properties) {
  if (is_local(uri)) return &local_;
  if (is_s3(uri)) return s3_store(properties);
  const std::string_view scheme = scheme_of(uri);
  if (scheme.empty()) return invalid_input(fmt::format("{}: not an absolute path or URI", uri));
  return invalid_input(fmt::format("{}: no store for {}://; local paths, file:/// and s3:// are supported", uri, scheme));
}

Result<ObjectStore*> Stores::s3_store(const std::map<std::string, std::string>& properties) {
  std::map<std::string, std::string> own;
  for (const auto& [name, value] : properties) {
    if (name.starts_with("s3.") || name.starts_with("client.")) own.emplace(name, value);
  }
  std::lock_guard lock(mutex_);
  if (const auto known = s3_stores_.find(own); known != s3_stores_.end()) return known->second.get();
  TRY_ASSIGN(AwsSettings settings, AwsSettings::load(environment_, s3_profile(own)));
  TRY_ASSIGN(S3Options options, s3_options(own, settings));
  TRY_ASSIGN(HttpClient * http, http_client(options.http));
  auto store = std::make_unique<S3Store>(std::move(options), std::move(settings), *http, clock_);
  return s3_stores_.emplace(std::move(own), std::move(store)).first->second.get();
}

Result<HttpClient*> Stores::http_client(const HttpOptions& options) {
  for (const auto& [known, client] : clients_) {
    if (known == options) return client.get();
  }
  TRY_ASSIGN(std::unique_ptr<HttpClient> client, make_http_client(options));
  return clients_.emplace_back(options, std::move(client)).second.get();
}

}  // namespace sluice
