#include "service/local_roots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "storage/byte_extent.h"
#include "storage/glob.h"
#include "storage/local_blob.h"
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
  const bool dots = path.find("/../") != std::string::npos || path.ends_with("/..");
  if (!dots && root_of(real_path(path))) return {};
  return invalid_input(fmt::format("{}: lies outside of the folders that LOCAL sources may use", uri));
}

const std::string* LocalRoots::root_of(const std::string& real) const {
  const auto root = std::ranges::find_if(roots_, [&](const std::string& one) { return (real + "/").starts_with(one); });
  return root == roots_.end() ? nullptr : &*root;
}

Result<Fd> LocalRoots::open(const std::string& path) const {
  auto allowed = check(path);
  const std::string real = real_path(path);
  const std::string* root = root_of(real);
  if (allowed && root && real.size() > root->size()) return open_file_below(*root, real);
  if (allowed) allowed = invalid_input(fmt::format("{}: a link was put in its way", path));
  allowed.error().type = error_type::kUnreadable;
  return std::unexpected(allowed.error());
}

Result<NameInFolder> LocalRoots::open_name(std::string_view uri, bool make) const {
  TRY(check(uri));
  TRY_ASSIGN(const std::string path, local_path(uri));
  const size_t slash = path.rfind('/');
  const std::string folder = real_path(path.substr(0, slash));
  const std::string* root = root_of(folder);
  if (!root) return invalid_input(fmt::format("{}: a link was put in its way", path));
  TRY_ASSIGN(Fd opened, open_folder_below(*root, folder, make));
  return NameInFolder{std::move(opened), path.substr(slash + 1), path};
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
  for (const Disposition* disposition : {&ingestion.disposition.done, &ingestion.disposition.failed}) {
    if (is_local(disposition->folder)) TRY(check(disposition->folder));
  }
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
  Result<ObjectHead> head(const Key& key, Context& context) override {
    TRY(roots_.check(key));
    return store_.head(key, context);
  }
  void read(ReadRequest request, ReadDone done) override { done(read_range(request)); }
  std::unique_ptr<Blob> open(const ObjectInfo& object) override {
    return make_local_blob(object, [this](const std::string& path) { return roots_.open(path); });
  }
  Result<ObjectInfo> put(const Key& key, std::span<const char>, const PutOptions&, Context&) override { return refused(key); }
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions&, Context&) override { return refused(key); }
  Result<ObjectInfo> copy(const Key&, const Key& to, const PutOptions&, Context&) override {
    return invalid_input(fmt::format("{}: lies on another file system than the file; LOCAL sources move files by renaming them", to));
  }
  Result<MoveEnd> rename(const VersionedKey& from, const Key& to, Context&) override {
    TRY_ASSIGN(const NameInFolder source, roots_.open_name(from.key, false));
    TRY_ASSIGN(const NameInFolder target, roots_.open_name(to, true));
    return rename_local_file(source, from.version, target);
  }
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context&) override {
    std::vector<DeleteOutcome> outcomes;
    for (const VersionedKey& key : keys) {
      const auto file = roots_.open_name(key.key, false);
      const Result<void> removed = file ? remove_local_file(*file, key.version) : std::unexpected(file.error());
      outcomes.push_back({key.key, removed ? std::nullopt : std::optional(removed.error())});
    }
    return outcomes;
  }

 private:
  Result<std::string> read_range(const ReadRequest& request) {
    TRY_ASSIGN(const std::string path, local_path(request.key));
    const auto file = std::make_shared<Fd>();
    TRY_ASSIGN(*file, roots_.open(path));
    struct stat status{};
    if (::fstat(file->get(), &status) != 0) return std::unexpected(io_error(errno, "reading", path));
    ObjectInfo object = object_info(path, status);
    if (!request.version.empty()) object.version = request.version;  // reading finds out whether it is
    const auto [begin, end] = extent_within(request.range, object.size_bytes);
    std::string bytes(static_cast<size_t>(end - begin), '\0');
    Context context{.stop = request.stop};
    const auto blob = make_local_blob(std::move(object), [file](const std::string&) -> Result<Fd> { return std::move(*file); });
    TRY_ASSIGN(auto source, blob->open({begin, end - begin}, context));
    TRY(source->read(bytes, context));
    return bytes;
  }
  static std::unexpected<Error> refused(const Key& key) { return invalid_input(fmt::format("{}: nothing is written there", key)); }

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
