#include "storage/memory_store.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "storage/local_path.h"

namespace sluice {
namespace {

Error missing(const Key& key) {
  return Error{ErrorCode::kNotFound, fmt::format("{}: no such object", key), std::string(error_type::kVanished)};
}

Result<void> check_key(const Key& key) {
  if (!scheme_of(key).empty() && key.find("://") != Key::npos && !key.ends_with('/')) return {};
  return invalid_input(fmt::format("\"{}\" is no key: keys are absolute URIs without a final slash", key));
}

/// As a walk that enters folders at once would meet them.
bool folder_order_less(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto rank = [](char c) { return c == '/' ? -1 : static_cast<int>(static_cast<unsigned char>(c)); };
    return rank(x) < rank(y);
  });
}

}  // namespace

class MemoryUpload final : public Upload {
 public:
  MemoryUpload(MemoryStore& store, Key key, PutOptions options, int64_t life)
      : store_(store), key_(std::move(key)), options_(std::move(options)), life_(life) {}
  ~MemoryUpload() override { drop(); }

  Result<void> write(std::span<const char> bytes, Context& context) override {
    TRY(context.check());
    TRY(check_usable());
    bytes_.append(bytes.data(), bytes.size());
    return {};
  }

  Result<ObjectInfo> complete(Context& context) override {
    TRY(context.check());
    TRY(check_usable());
    drop();
    return store_.store(key_, std::move(bytes_), options_);
  }

  Result<void> abort(Context&) override {
    drop();
    return {};
  }

 private:
  Result<void> check_usable() const {
    const std::lock_guard lock(store_.mutex_);
    if (open_ && life_ == store_.lives_) return {};
    return fail(ErrorCode::kNotFound, fmt::format("writing {}: this upload is over", key_));
  }

  void drop() {
    const std::lock_guard lock(store_.mutex_);
    if (open_ && life_ == store_.lives_) --store_.unfinished_;
    open_ = false;
  }

  MemoryStore& store_;
  const Key key_;
  const PutOptions options_;
  const int64_t life_;
  std::string bytes_;
  bool open_ = true;
};

Result<ListPage> MemoryStore::list(const ListRequest& request, Context& context) {
  TRY(context.check());
  // The token carries the listing it belongs to, so that one used with another prefix is found out.
  const std::string listing = fmt::format("{}|{}|{}|", request.prefix, request.delimiter, request.start_after);
  std::string after;
  if (!request.token.empty()) {
    if (!request.token.starts_with(listing)) return invalid_input(fmt::format("listing {}: token of another listing", request.prefix));
    after = request.token.substr(listing.size());
  }
  const auto less = [this](std::string_view a, std::string_view b) { return options_.folder_order ? folder_order_less(a, b) : a < b; };
  const int64_t entries_max = std::clamp<int64_t>(request.limit, 1, options_.page_entries_max);

  const std::lock_guard lock(mutex_);
  ListPage page{.in_byte_order = !options_.folder_order};
  std::string last;
  for (const Object* object : listed(request)) {
    const Key& key = object->info.path;
    const size_t slash = request.delimiter ? key.find('/', request.prefix.size()) : Key::npos;
    const Key entry = slash == Key::npos ? key : key.substr(0, slash + 1);
    if ((!after.empty() && !less(after, entry)) || entry == last) continue;
    if (static_cast<int64_t>(page.objects.size() + page.prefixes.size()) == entries_max) {
      page.next_token = listing + last;
      break;
    }
    last = entry;
    if (slash == Key::npos) {
      page.objects.push_back(object->info);
    } else {
      page.prefixes.push_back(entry);
    }
  }
  return page;
}

std::vector<const MemoryStore::Object*> MemoryStore::listed(const ListRequest& request) const {
  std::vector<const Object*> found;
  for (auto it = objects_.lower_bound(request.prefix); it != objects_.end() && it->first.starts_with(request.prefix); ++it) {
    if (it->first > request.start_after) found.push_back(&it->second);
  }
  if (options_.folder_order) {
    std::sort(found.begin(), found.end(), [](const Object* a, const Object* b) { return folder_order_less(a->info.path, b->info.path); });
  }
  return found;
}

Result<const MemoryStore::Object*> MemoryStore::find(const Key& key) const {
  TRY(check_key(key));
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::unexpected(missing(key));
  return &found->second;
}

Result<ObjectInfo> MemoryStore::stat(const Key& key, Context& context) {
  TRY(context.check());
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Object* object, find(key));
  return object->info;
}

Result<ObjectHead> MemoryStore::head(const Key& key, Context& context) {
  TRY(context.check());
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Object* object, find(key));
  return ObjectHead{object->info, object->metadata};
}

void MemoryStore::read(ReadRequest request, ReadDone done) { done(read_range(request)); }

Result<std::string> MemoryStore::read_range(const ReadRequest& request) const {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Object* object, find(request.key));
  if (!request.version.empty() && request.version != object->info.version) {
    return std::unexpected(
        Error{ErrorCode::kConflict,
              fmt::format("reading {}: it changed: wanted version {}, found {}; it is read again, by this run or the next", request.key,
                          request.version, object->info.version),
              std::string(error_type::kChangedWhileRead)});
  }
  const auto size = static_cast<int64_t>(object->bytes->size());
  const int64_t begin = std::clamp<int64_t>(request.range.offset, 0, size);
  const int64_t length = request.range.length < 0 ? size - begin : std::min(request.range.length, size - begin);
  return object->bytes->substr(static_cast<size_t>(begin), static_cast<size_t>(length));
}

Result<ObjectInfo> MemoryStore::store(const Key& key, std::string bytes, const PutOptions& options) {
  TRY(check_key(key));
  const std::lock_guard lock(mutex_);
  if (options.if_none_match && objects_.contains(key)) {
    return fail(ErrorCode::kConflict, fmt::format("writing {}: it exists", key));
  }
  if (!options.if_match.empty()) {
    const auto found = objects_.find(key);
    if (found == objects_.end() || found->second.info.version != options.if_match) {
      return fail(ErrorCode::kConflict, fmt::format("writing {}: it is not at version {}", key, options.if_match));
    }
  }
  const std::string version =
      options_.content_versions ? fmt::format("e{:x}", std::hash<std::string>()(bytes)) : fmt::format("v{}", next_version_++);
  ObjectInfo info{key, version, static_cast<int64_t>(bytes.size()), clock_.now()};
  objects_[key] = {std::make_shared<const std::string>(std::move(bytes)), info, options.metadata};
  return info;
}

Result<ObjectInfo> MemoryStore::put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) {
  TRY(context.check());
  return store(key, std::string(bytes.data(), bytes.size()), options);
}

Result<std::unique_ptr<Upload>> MemoryStore::start_upload(const Key& key, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY(check_key(key));
  const std::lock_guard lock(mutex_);
  ++unfinished_;
  return std::make_unique<MemoryUpload>(*this, key, options, lives_);
}

Result<ObjectInfo> MemoryStore::copy(const Key& from, const Key& to, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(const ObjectHead original, head(from, context));
  TRY_ASSIGN(std::string bytes, read_range({from, original.info.version, {}}));
  PutOptions carried = options;
  carried.metadata = original.metadata;
  return store(to, std::move(bytes), carried);
}

Result<std::vector<DeleteOutcome>> MemoryStore::remove(std::span<const VersionedKey> keys, Context& context) {
  TRY(context.check());
  const std::lock_guard lock(mutex_);
  std::vector<DeleteOutcome> outcomes;
  for (const VersionedKey& key : keys) {
    DeleteOutcome& outcome = outcomes.emplace_back(key.key);
    const Result<const Object*> object = find(key.key);
    if (!object) {
      if (object.error().code != ErrorCode::kNotFound) outcome.error = object.error();
    } else if (!key.version.empty() && key.version != (*object)->info.version) {
      outcome.error = Error{ErrorCode::kConflict,
                            fmt::format("removing {}: wanted version {}, found {}", key.key, key.version, (*object)->info.version)};
    } else {
      objects_.erase(key.key);
    }
  }
  return outcomes;
}

void MemoryStore::lose_unfinished() {
  const std::lock_guard lock(mutex_);
  ++lives_;
  unfinished_ = 0;
}

int64_t MemoryStore::unfinished_uploads() const {
  const std::lock_guard lock(mutex_);
  return unfinished_;
}

std::vector<Key> MemoryStore::keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<Key> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

std::map<std::string, std::string> MemoryStore::metadata(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const Result<const Object*> object = find(key);
  return object ? (*object)->metadata : std::map<std::string, std::string>();
}

}  // namespace sluice
