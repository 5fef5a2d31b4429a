#include "iceberg/table_stores.h"

#include <gmock/gmock.h>

#include "iceberg/test_metadata.h"
#include "storage/memory_store.h"

namespace sluice {
namespace {

using Map = std::map<std::string, std::string>;

/// Opens one store, whatever it is asked for, and remembers with what.
class RecordingStores final : public StoreProvider {
 public:
  explicit RecordingStores(ObjectStore& store) : store_(store) {}
  Result<ObjectStore*> store_for(const Key&, const Map& properties) override {
    asked = properties;
    return &store_;
  }
  Map asked;

 private:
  ObjectStore& store_;
};

/// Gives out a new session token with each load.
class VendingCatalog final : public Catalog {
 public:
  explicit VendingCatalog(Clock& clock) : clock_(clock) {}
  std::string uri() const override { return "vending"; }
  std::string warehouse() const override { return ""; }
  bool gives_credentials() const override { return true; }
  Result<LoadedTable> load(const TableId& id, Context&) override {
    if (down) return fail(ErrorCode::kUnavailable, "down");
    LoadedTable table{.id = id, .metadata = test_table(), .properties = {{"s3.access-key-id", "user"}}};
    Map vended = {{"s3.access-key-id", "vended"}, {"s3.session-token", std::to_string(++loads)}};
    if (life_s > 0) vended["s3.session-token-expires-at-ms"] = std::to_string(clock_.now().micros / 1000 + life_s * 1000);
    if (vends) table.credentials = {{"mem://lake", vended}};
    return table;
  }
  Result<LoadedTable> create(const TableId&, const CreateTable&, Context&) override { return fail(ErrorCode::kUnavailable, ""); }
  Result<LoadedTable> commit(const LoadedTable&, const TableChange&, Context&) override { return fail(ErrorCode::kUnavailable, ""); }
  Result<std::vector<TableId>> tables(Context&) override { return std::vector<TableId>{}; }

  int loads = 0;
  int64_t life_s = 3600;
  bool vends = true, down = false;

 private:
  Clock& clock_;
};

class TableStoresTest : public testing::Test {
 protected:
  std::string token() const { return provider_.asked.contains("s3.session-token") ? provider_.asked.at("s3.session-token") : "none"; }
  ObjectStore& store() { return **stores_.store_for("mem://lake/t/data", context_); }
  void put(ObjectStore& store) { EXPECT_TRUE(store.put("mem://lake/t/data/" + std::to_string(++puts_), "x", {}, context_)); }

  ManualClock clock_;
  MemoryStore memory_{clock_};
  RecordingStores provider_{memory_};
  VendingCatalog catalog_{clock_};
  TableStores stores_{catalog_, provider_, {{"s3.access-key-id", "configured"}}, {{"t"}, "t"}, clock_};
  Context context_;
  int puts_ = 0;
};

// Prevents a batch that is staged for longer than its credentials live from failing in its middle: the same store goes on with new ones.
TEST_F(TableStoresTest, RenewsBeforeTheEnd) {
  ObjectStore& store = this->store();
  put(store);
  EXPECT_EQ(token(), "1");
  EXPECT_EQ(provider_.asked.at("s3.access-key-id"), "vended");
  clock_.advance(std::chrono::minutes(54));
  put(store);
  EXPECT_EQ(token(), "1") << "not earlier than needed";
  clock_.advance(std::chrono::minutes(2));
  put(store);
  EXPECT_EQ(token(), "2");
  put(store);
  EXPECT_EQ(catalog_.loads, 2);
}

// Prevents credentials that do not say their end from being used for ever.
TEST_F(TableStoresTest, AssumesAShortLife) {
  catalog_.life_s = 0;
  ObjectStore& store = this->store();
  clock_.advance(std::chrono::minutes(14));
  put(store);
  EXPECT_EQ(token(), "2");
}

// Prevents a catalog that is down for a moment from failing writes that its old credentials still allow, and from being hammered.
TEST_F(TableStoresTest, GoesOnWhileTheCatalogIsDown) {
  ObjectStore& store = this->store();
  clock_.advance(std::chrono::minutes(56));
  catalog_.down = true;
  put(store);
  EXPECT_EQ(token(), "1");
  catalog_.down = false;
  put(store);
  EXPECT_EQ(token(), "1") << "it is left alone for a while";
  clock_.advance(std::chrono::minutes(1));
  put(store);
  EXPECT_EQ(token(), "2");
}

// Prevents the sweep of an earlier run, which loads nothing, from deleting with credentials that do not reach the table.
TEST_F(TableStoresTest, LoadsWhereNobodyDid) {
  put(store());
  EXPECT_EQ(catalog_.loads, 1);
  EXPECT_EQ(token(), "1");
}

// Prevents a detour for tables whose objects need no credentials of the catalog.
TEST_F(TableStoresTest, PlainStoresOtherwise) {
  catalog_.vends = false;
  EXPECT_EQ(&store(), &memory_);
  EXPECT_EQ(provider_.asked, (Map{{"s3.access-key-id", "user"}}));
}

}  // namespace
}  // namespace sluice
