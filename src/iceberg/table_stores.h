// The stores of one table's objects, opened with the credentials that its catalog gave out and with new ones before these end.
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"
#include "iceberg/catalog.h"
#include "storage/object_store.h"

namespace sluice {

class TableStores {
 public:
  /// `properties` count where the catalog gives nothing out. References must outlive this.
  TableStores(Catalog& catalog, StoreProvider& stores, std::map<std::string, std::string> properties, TableId table, Clock& clock);
  ~TableStores();

  /// What a load or a creation brought. Not for the answer of a commit: it holds the credentials of the load before it.
  void learn(const LoadedTable& table);

  /// A store that stays good as long as this: one for an object of the table renews its credentials by itself, by loading the table.
  Result<ObjectStore*> store_for(const std::string& uri, Context& context);

 private:
  friend class RenewingStore;

  /// As of now, after a renewal where one is due.
  Result<std::shared_ptr<ObjectStore>> current(const std::string& uri);
  void renew_if_due();

  Catalog& catalog_;
  StoreProvider& stores_;
  const TableId table_;
  Clock& clock_;
  const std::unique_ptr<ObjectStore> renewing_;
  std::mutex renewal_;  // held while loading the table: the others go on with what they have
  mutable std::mutex mutex_;
  // Protected by mutex_.
  LoadedTable known_;  // without its metadata
  bool learned_ = false;
  std::map<std::map<std::string, std::string>, std::shared_ptr<ObjectStore>> borrowed_;  // with the credentials of now
  std::optional<Timestamp> renew_at_;                                                    // nullopt: the credentials have no end
};

}  // namespace sluice
