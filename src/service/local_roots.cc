#include "service/local_roots.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

/// The path with links followed as far as it exists; empty: it cannot be told.
std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  return error ? "" : real.string();
}

}  // namespace

LocalRoots::LocalRoots(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    std::string root = real_path(folder);
    if (root.empty()) continue;
    if (!root.ends_with('/')) root += '/';
    roots_.push_back(std::move(root));
  }
}

Result<void> LocalRoots::check(std::string_view uri) const {
  if (roots_.empty()) return invalid_input("LOCAL sources are not allowed here: start the service with --source-root FOLDER");
  TRY_ASSIGN(const std::string path, local_path(uri));
  const std::string real = real_path(path) + "/";
  const bool dots = path.find("/../") != std::string::npos || path.ends_with("/..");
  const bool below = std::ranges::any_of(roots_, [&](const std::string& root) { return real.starts_with(root); });
  if (below && !dots) return {};
  return invalid_input(fmt::format("{}: lies outside of the folders that LOCAL sources may use", uri));
}

Result<void> LocalRoots::check(const Ingestion& ingestion) const {
  for (const Source& source : ingestion.sources) {
    for (const std::string& path : source.paths) {
      if (!is_local(path)) continue;
      TRY_ASSIGN(const Glob glob, Glob::parse(path));
      TRY(check(glob.fixed_folder()));
    }
  }
  if (!ingestion.schema.contract.empty()) TRY(check(ingestion.schema.contract));
  return {};
}

class RootedStores::RootedStore final : public ObjectStore {
 public:
  RootedStore(ObjectStore& store, const LocalRoots& roots) : store_(store), roots_(roots) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override {
    TRY(roots_.check(request.prefix));
    return store_.list(request, context);
  }
  Result<ObjectInfo> stat(const Key& key, Context& context) override {
    TRY(roots_.check(key));
    return store_.stat(key, context);
  }
  void read(ReadRequest request, ReadDone done) override {
    if (auto allowed = readable(request.key); !allowed) return done(std::unexpected(allowed.error()));
    store_.read(std::move(request), std::move(done));
  }
  std::unique_ptr<Blob> open(const ObjectInfo& object) override {
    return roots_.check(object.path) ? store_.open(object) : ObjectStore::open(object);  // the latter asks read(), which says why not
  }
  Result<ObjectInfo> put(const Key& key, std::span<const char>, const PutOptions&, Context&) override { return refused(key); }
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions&, Context&) override { return refused(key); }
  Result<ObjectInfo> copy(const Key&, const Key& to, const PutOptions&, Context&) override { return refused(to); }
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context&) override {
    return refused(keys.empty() ? "" : keys.front().key);
  }

 private:
  Result<void> readable(const Key& key) const {
    auto allowed = roots_.check(key);
    if (allowed) return {};
    Error error = allowed.error();
    error.type = error_type::kUnreadable;
    return std::unexpected(error);
  }
  static std::unexpected<Error> refused(const Key& key) { return invalid_input(fmt::format("{}: sources are only read", key)); }

  ObjectStore& store_;
  const LocalRoots& roots_;
};

RootedStores::RootedStores(StoreProvider& stores, const LocalRoots& roots) : stores_(stores), roots_(roots) {}
RootedStores::~RootedStores() = default;

Result<ObjectStore*> RootedStores::store_for(const Key& uri, const std::map<std::string, std::string>& properties) {
  TRY_ASSIGN(ObjectStore * store, stores_.store_for(uri, properties));
  if (!is_local(uri)) return store;
  if (!local_) local_ = std::make_unique<RootedStore>(*store, roots_);
  return local_.get();
}

}  // namespace sluice
