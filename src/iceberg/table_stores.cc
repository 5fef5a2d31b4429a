#include "iceberg/table_stores.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace sluice {
namespace {

constexpr auto kRenewBefore = std::chrono::minutes(5);   // the end of credentials; of short-lived ones a quarter of their life
constexpr auto kAssumedLife = std::chrono::minutes(15);  // of temporary credentials that do not say their end: the shortest that AWS gives
constexpr auto kTryAgainAfter = std::chrono::seconds(30);  // where a renewal failed or brought nothing newer

/// The earliest end among the credentials; nullopt: they have none.
std::optional<Timestamp> earliest_end(const LoadedTable& table, Timestamp now) {
  std::optional<Timestamp> earliest;
  for (const VendedCredential& one : table.credentials) {
    if (!one.properties.contains("s3.session-token")) continue;
    Timestamp end = now + kAssumedLife;
    if (const auto at = one.properties.find("s3.session-token-expires-at-ms"); at != one.properties.end()) {
      int64_t ms = 0;
      const std::string& text = at->second;
      if (std::from_chars(text.data(), text.data() + text.size(), ms).ec == std::errc()) end = Timestamp{ms * 1000};
    }
    earliest = std::min(earliest.value_or(end), end);
  }
  return earliest;
}

}  // namespace

/// Asks for the store of the moment at each operation. An upload ends with the credentials that it began with.
class RenewingStore final : public ObjectStore {
 public:
  explicit RenewingStore(TableStores& owner) : owner_(owner) {}

  Result<ListPage> list(const ListRequest& request, Context& context) override {
    TRY_ASSIGN(const auto store, owner_.current(request.prefix));
    return store->list(request, context);
  }
  Result<ObjectInfo> stat(const Key& key, Context& context) override {
    TRY_ASSIGN(const auto store, owner_.current(key));
    return store->stat(key, context);
  }
  Result<ObjectHead> head(const Key& key, Context& context) override {
    TRY_ASSIGN(auto store, owner_.current(key));
    return store->head(key, context);
  }
  void read(ReadRequest request, ReadDone done) override {
    auto store = owner_.current(request.key);
    if (!store) return done(std::unexpected(store.error()));
    (*store)->read(std::move(request), std::move(done));
  }
  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override {
    TRY_ASSIGN(const auto store, owner_.current(key));
    return store->put(key, bytes, options, context);
  }
  Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) override {
    TRY_ASSIGN(const auto store, owner_.current(key));
    return store->start_upload(key, options, context);
  }
  Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) override {
    TRY_ASSIGN(const auto store, owner_.current(to));
    return store->copy(from, to, options, context);
  }
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) override {
    if (keys.empty()) return std::vector<DeleteOutcome>{};
    TRY_ASSIGN(const auto store, owner_.current(keys.front().key));
    return store->remove(keys, context);
  }
  void remove_empty_folders(const Key& prefix) override {
    if (auto store = owner_.current(prefix)) (*store)->remove_empty_folders(prefix);
  }

 private:
  TableStores& owner_;
};

TableStores::TableStores(Catalog& catalog, StoreProvider& stores, std::map<std::string, std::string> properties, TableId table,
                         Clock& clock)
    : catalog_(catalog), stores_(stores), table_(std::move(table)), clock_(clock), renewing_(std::make_unique<RenewingStore>(*this)) {
  known_.properties = std::move(properties);
}

TableStores::~TableStores() = default;

void TableStores::learn(const LoadedTable& table) {
  const std::lock_guard lock(mutex_);
  known_.properties = table.properties, known_.credentials = table.credentials;
  learned_ = true;
  borrowed_.clear();  // whoever is just using one of them holds it
  renew_at_.reset();
  const Timestamp now = clock_.now();
  if (const auto end = earliest_end(table, now)) {
    const auto before = std::min<std::chrono::microseconds>(kRenewBefore, (*end - now) / 4);
    renew_at_ = std::max(*end - before, now + kTryAgainAfter);
  }
}

Result<ObjectStore*> TableStores::store_for(const std::string& uri, Context& context) {
  bool load = false;
  {
    const std::lock_guard lock(mutex_);
    load = !learned_ && catalog_.gives_credentials();
  }
  if (load) {  // somebody sweeps before anybody loaded
    auto table = catalog_.load(table_, context);
    if (table) learn(*table);
    if (!table && table.error().code != ErrorCode::kNotFound) return std::unexpected(table.error());
  }
  const std::lock_guard lock(mutex_);
  if (renew_at_) return renewing_.get();
  return stores_.store_for(uri, store_properties(known_, uri));
}

Result<std::shared_ptr<ObjectStore>> TableStores::current(const std::string& uri) {
  renew_if_due();
  const std::lock_guard lock(mutex_);
  const auto properties = store_properties(known_, uri);
  std::shared_ptr<ObjectStore>& store = borrowed_[properties];
  if (!store) {
    auto fresh = stores_.borrow(uri, properties);
    if (!fresh) return std::unexpected(fresh.error());
    store = *std::move(fresh);
  }
  return store;
}

void TableStores::renew_if_due() {
  const auto due = [this] {
    const std::lock_guard lock(mutex_);
    return renew_at_ && clock_.now() >= *renew_at_;
  };
  if (!due()) return;
  const std::unique_lock renewing(renewal_, std::try_to_lock);
  if (!renewing || !due()) return;
  Context context;
  if (auto table = catalog_.load(table_, context)) return learn(*table);
  const std::lock_guard lock(mutex_);  // those at hand may still do: the store says when they do not
  renew_at_ = clock_.now() + kTryAgainAfter;
}

}  // namespace sluice
