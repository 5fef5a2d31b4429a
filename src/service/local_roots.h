// LOCAL sources of the REST API, and where their files go after the load, stay below the folders that the operator allowed: no "..", no
// link that leads out. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ingestion.h"
#include "storage/local_move.h"
#include "storage/object_store.h"
#include "storage/posix_file.h"

namespace sluice {

class LocalRoots {
 public:
  /// Absolute paths. Empty: no LOCAL source is allowed.
  explicit LocalRoots(const std::vector<std::string>& folders);

  /// Whether a path, with its links followed as far as it exists, lies below a root. kInvalidInput: it does not.
  Result<void> check(std::string_view uri) const;
  /// Opens a file that check() allows for reading; a link that somebody puts in its way in between is not followed. Errors have a type.
  Result<Fd> open(const std::string& path) const;
  /// The folder of a path that check() allows, opened without following a link behind the root, and the path's name in it. `make`: with
  /// the folders that are missing.
  Result<NameInFolder> open_name(std::string_view uri, bool make) const;
  /// check() for all that an ingestion reads from this machine, and moves on it: sources, contract, and folders of its disposition.
  Result<void> check(const Ingestion& ingestion) const;

 private:
  /// The root that a path with its links followed lies below; nullptr: none.
  const std::string* root_of(const std::string& real) const;

  std::vector<std::string> roots_;  // with links followed, ending in "/"
};

/// Stores whose local objects are checked whenever they are listed or read, and read, renamed and removed below the roots only; other local
/// writes are refused. Both must outlive it.
class RootedStores final : public StoreProvider {
 public:
  RootedStores(StoreProvider& stores, const LocalRoots& roots);
  ~RootedStores() override;
  Result<ObjectStore*> store_for(const Key& uri, const std::map<std::string, std::string>& properties) override;

 private:
  class RootedStore;

  StoreProvider& stores_;
  const LocalRoots& roots_;
  std::unique_ptr<RootedStore> local_;
};

}  // namespace sluice
