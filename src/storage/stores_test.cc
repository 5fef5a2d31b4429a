#include "storage/stores.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Map = std::map<std::string, std::string>;

Map keys(const std::string& id) {
  return {{"s3.endpoint", "http://127.0.0.1:1"}, {"s3.access-key-id", id}, {"s3.secret-access-key", "s"}, {"other", id}};
}

class StoresTest : public testing::Test {
 protected:
  SystemClock clock_;
  Stores stores_{clock_, [](std::string_view) { return std::nullopt; }};
};

// Prevents: a service that keeps a store for every set of credentials it ever had, and one that opens a new store for each object.
TEST_F(StoresTest, BorrowedStoresEndWithTheirLastHolder) {
  auto one = stores_.borrow("s3://b/k", keys("a")).value();
  EXPECT_EQ(stores_.borrow("s3://other/k", keys("a")).value(), one);
  EXPECT_NE(stores_.borrow("s3://b/k", keys("b")).value(), one);
  const std::weak_ptr<ObjectStore> watched = one;
  one.reset();
  EXPECT_TRUE(watched.expired());
  {
    BorrowedStores run(stores_);
    ObjectStore* store = run.store_for("s3://b/k", keys("a")).value();
    EXPECT_EQ(run.store_for("s3://b/k2", keys("a")).value(), store);
    EXPECT_EQ(stores_.borrow("s3://b/k", keys("a")).value().get(), store);
  }
  EXPECT_EQ(stores_.borrow("s3://b/k", keys("a")).value().use_count(), 1);
}

// Prevents: a store that a command relies on, and that ends with a run that used it, too.
TEST_F(StoresTest, StoresForGoodStay) {
  const std::weak_ptr<ObjectStore> watched = stores_.borrow("s3://b/k", keys("a")).value();
  EXPECT_TRUE(watched.expired());
  auto borrowed = stores_.borrow("s3://b/k", keys("a")).value();
  ObjectStore* store = stores_.store_for("s3://b/k", keys("a")).value();
  EXPECT_EQ(borrowed.get(), store);
  borrowed.reset();
  EXPECT_EQ(stores_.borrow("s3://b/k", keys("a")).value().get(), store);
  EXPECT_EQ(stores_.borrow("/data/a", {}).value().get(), stores_.store_for("file:///b", {}).value());
}

}  // namespace
}  // namespace sluice
