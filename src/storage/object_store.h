// Objects on one account and endpoint: list, stat, read, put, upload, copy, remove. Implementations are thread-safe.
// Success of a write means durable: file and folder are synced, or the store acknowledged it. Keys are raw absolute URIs
// ("file:///data/a b.json", "s3://bucket/key"), never percent-encoded; local ones may also be read as "file:/p" or "/p".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_sink.h"
#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "model/file.h"

namespace sluice {

using Key = std::string;

/// What a store says of an object. `version` changes whenever the content may have (local: size and mtime in ns).
using ObjectInfo = ListedFile;

struct ListRequest {
  Key prefix;               ///< every key that begins with it; a local folder ends with "/"
  std::string start_after;  ///< keys above this one only; empty: from the start
  std::string token;        ///< ListPage::next_token of the page before; empty: first page
  bool delimiter = false;   ///< group keys below the next "/" into ListPage::prefixes
  int64_t limit = 1000;     ///< entries of this page at most
};

struct ListPage {
  std::vector<ObjectInfo> objects;
  std::vector<Key> prefixes;    ///< with delimiter: common prefixes, ending in "/"
  std::string next_token;       ///< empty: this was the last page
  bool in_byte_order = true;    ///< objects of this listing, all pages together, come in rising byte order of their keys
  std::vector<Error> warnings;  ///< entries that could not be listed (a folder without permission): named, not fatal
};

/// Kept beside an object's bytes where the store has a place for it (S3; not local folders). Names and values: ASCII, at most 2 KB
/// together.
using ObjectMetadata = std::map<std::string, std::string>;

/// When a write may take place.
struct PutOptions {
  bool if_none_match = false;  ///< only where nothing is: else kConflict
  ObjectMetadata metadata = {};
  std::string if_match = {};  ///< only where the object is at this version: else kConflict; empty: whatever is there
};

/// An object and what was put beside its bytes.
struct ObjectHead {
  ObjectInfo info;
  ObjectMetadata metadata;
};

struct ReadRequest {
  Key key;
  std::string version;  ///< empty: whatever is there; else kConflict when the object is at another one
  ByteRange range;
  std::stop_token stop = {};  ///< ends the read with kCancelled where the store waits for a network
};
/// Completes a read: all bytes of the range (fewer where the object ends before). May run on a thread of the store.
using ReadDone = std::function<void(Result<std::string>)>;

/// A large object being written part by part. Destroying it without complete() aborts it: nothing becomes visible.
class Upload : public ByteSink {
 public:
  /// Makes the object visible and durable, whole. kConflict where PutOptions forbids; kOutcomeUnknown: find out.
  virtual Result<ObjectInfo> complete(Context& context) = 0;
  virtual Result<void> abort(Context& context) = 0;

  Result<void> finish(Context& context) final {
    TRY(complete(context));
    return {};
  }
};

struct VersionedKey {
  Key key;
  std::string version;  ///< empty: any
};
struct DeleteOutcome {
  Key key;
  std::optional<Error> error;  ///< nullopt: it is gone (or never was)
};

/// How a rename ended.
enum class MoveEnd {
  kMoved,        ///< durably
  kTargetTaken,  ///< something lies there: nothing was done
  kElsewhere,    ///< this store cannot rename, or not to there: nothing was done; copy it
};

/// A label on an object, beside its bytes and without another version.
struct ObjectTag {
  std::string name, value;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Result<ListPage> list(const ListRequest& request, Context& context) = 0;
  virtual Result<ObjectInfo> stat(const Key& key, Context& context) = 0;
  /// stat(), and the metadata that the object was put with; none where the store keeps none (local folders).
  virtual Result<ObjectHead> head(const Key& key, Context& context);
  virtual void read(ReadRequest request, ReadDone done) = 0;
  virtual Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) = 0;
  virtual Result<std::unique_ptr<Upload>> start_upload(const Key& key, const PutOptions& options, Context& context) = 0;
  /// With what the object carries beside its bytes, where the store keeps it: metadata, content type, tags; permissions, time, owner.
  virtual Result<ObjectInfo> copy(const Key& from, const Key& to, const PutOptions& options, Context& context) = 0;
  virtual Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& context) = 0;
  /// Moves an object by renaming it: at once, and never over another. kNotFound: nothing is at `from`; kConflict: another version is.
  virtual Result<MoveEnd> rename(const VersionedKey& from, const Key& to, Context& context);
  /// Sets a tag and leaves the object's other ones. kConflict: another version is there (looked at just before: S3 has no condition for
  /// it); kInvalidInput: this store keeps no tags.
  virtual Result<void> tag(const VersionedKey& object, const ObjectTag& tag, Context& context);

  /// See open_blob(). Reads through read() where a store has no shorter way; must outlive the blob.
  virtual std::unique_ptr<Blob> open(const ObjectInfo& object);
  /// Removes the empty folders below `prefix`, and itself, where the store has folders. Best effort: says nothing.
  virtual void remove_empty_folders(const Key& prefix);
  /// How many listings, or other small requests, are worth having under way at once: above 1 where each waits for a network.
  virtual int lists_at_once() const { return 1; }
  /// Ends the uploads below `prefix` that were begun, by whomever, and not completed, where a store keeps their parts.
  virtual Result<void> remove_unfinished(const Key& prefix, Context& context);
};

/// Blocks until the read completes.
Result<std::string> read_now(ObjectStore& store, ReadRequest request);

inline constexpr int64_t kReadBlockBytes = kMiB;

/// One version of an object as a Blob: ranges are read ahead in blocks of kReadBlockBytes, and at the end of a source the version is
/// checked again where the store cannot hold a reader to it (local files). The store must outlive the blob.
std::unique_ptr<Blob> open_blob(ObjectStore& store, const ObjectInfo& object);

/// Finds the store that serves a URI. `properties` are those of a source or a catalog.
class StoreProvider {
 public:
  virtual ~StoreProvider() = default;
  /// A store that lives as long as the provider.
  virtual Result<ObjectStore*> store_for(const Key& uri, const std::map<std::string, std::string>& properties) = 0;
  /// The same for properties that do not last (credentials that end, sources that others define): nothing stays of the store once nobody
  /// holds it. What it was asked for by then still completes.
  virtual Result<std::shared_ptr<ObjectStore>> borrow(const Key& uri, const std::map<std::string, std::string>& properties);
};

}  // namespace sluice
