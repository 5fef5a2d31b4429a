#include "faulty_store.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/memory_store.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

constexpr const char* kKey = "mem://b/k";

class FaultyStoreTest : public ::testing::Test {
 protected:
  void put(const Key& key) { ASSERT_TRUE(inner_.put(key, std::string_view("bytes"), {}, context_)); }

  ManualClock clock_;
  MemoryStore inner_{clock_};
  Context context_;
};

// A whole walk through the interface: each step is an operation of its own, so that a sweep over N meets all of them.
TEST_F(FaultyStoreTest, EveryOperationIsCounted) {
  FaultPlan plan;
  FaultyStore store(inner_, plan);
  auto upload = store.start_upload(kKey, {}, context_).value();
  ASSERT_TRUE(upload->write(std::string_view("ab"), context_));
  ASSERT_TRUE(upload->write(std::string_view("c"), context_));
  const ObjectInfo info = upload->complete(context_).value();
  ASSERT_TRUE(store.start_upload(kKey, {}, context_).value()->abort(context_));
  ASSERT_TRUE(store.list({.prefix = "mem://b/"}, context_));
  ASSERT_TRUE(store.stat(kKey, context_));
  EXPECT_EQ(read_now(store, {kKey, "", {}}).value(), "abc");
  const auto blob = open_blob(store, info);
  const auto source = blob->open({}, context_).value();
  std::string into(2, '.');
  EXPECT_EQ(source->read(into, context_).value(), 2U);
  EXPECT_EQ(source->read(into, context_).value(), 1U);
  ASSERT_TRUE(store.copy(kKey, "mem://b/l", {}, context_));
  ASSERT_TRUE(store.put("mem://b/m", std::string_view("x"), {}, context_));
  ASSERT_TRUE(store.remove(std::vector<VersionedKey>{{kKey, ""}}, context_));
  store.remove_empty_folders("mem://b/");
  EXPECT_THAT(plan.trace(),
              ElementsAre("store.upload.start", "store.upload.part", "store.upload.part", "store.upload.complete", "store.upload.start",
                          "store.upload.abort", "store.list", "store.stat", "store.read", "store.open", "store.read", "store.read",
                          "store.copy", "store.put", "store.remove", "store.remove_empty_folders"));
}

// Each operation, failed before and after: an effect that should not be, or that is missing, would falsify every crash test.
TEST_F(FaultyStoreTest, FailsBeforeOrAfterTheEffect) {
  const std::vector<std::pair<std::string, std::function<bool(ObjectStore&)>>> writes = {
      {"store.put", [&](ObjectStore& s) { return s.put("mem://b/new", std::string_view("x"), {}, context_).has_value(); }},
      {"store.copy", [&](ObjectStore& s) { return s.copy(kKey, "mem://b/new", {}, context_).has_value(); }},
      {"store.upload.complete",
       [&](ObjectStore& s) { return s.start_upload("mem://b/new", {}, context_).value()->complete(context_).has_value(); }},
  };
  for (const auto& [operation, write] : writes) {
    for (const FaultKind kind : {FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashAfter}) {
      put(kKey);
      FaultPlan plan({.kind = kind, .operation = operation});
      FaultyStore store(inner_, plan);
      EXPECT_FALSE(write(store)) << operation;
      EXPECT_EQ(inner_.stat("mem://b/new", context_).has_value(), FaultPlan::happens(kind)) << operation << ", " << to_string(kind);
      ASSERT_TRUE(inner_.remove(std::vector<VersionedKey>{{"mem://b/new", ""}}, context_));
    }
  }
  for (const FaultKind kind : {FaultKind::kFailBefore, FaultKind::kFailAfter}) {
    put(kKey);
    FaultPlan plan({.kind = kind});
    FaultyStore store(inner_, plan);
    EXPECT_EQ(store.remove(std::vector<VersionedKey>{{kKey, ""}}, context_).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(inner_.stat(kKey, context_).has_value(), kind == FaultKind::kFailBefore);
  }
}

// Files must fail between two blocks too, when half of their rows are read.
TEST_F(FaultyStoreTest, ReadsFailInTheMiddle) {
  put(kKey);
  FaultPlan plan({.at = 2, .operation = "store.read"});
  FaultyStore store(inner_, plan);
  const auto source = open_blob(store, inner_.stat(kKey, context_).value())->open({}, context_).value();
  std::string into(2, '.');
  EXPECT_TRUE(source->read(into, context_));
  EXPECT_EQ(source->read(into, context_).error().code, ErrorCode::kUnavailable);
  FaultPlan other({.kind = FaultKind::kCrashBefore});
  FaultyStore crashed(inner_, other);
  EXPECT_EQ(read_now(crashed, {kKey, "", {}}).error().code, ErrorCode::kCancelled);
}

// The process dies with a half-written upload: its bytes must never appear.
TEST_F(FaultyStoreTest, UploadsOfADeadProcessVanish) {
  FaultPlan plan({.kind = FaultKind::kCrashAfter, .operation = "store.upload.part"});
  FaultyStore store(inner_, plan);
  auto upload = store.start_upload(kKey, {}, context_).value();
  EXPECT_FALSE(upload->write(std::string_view("x"), context_));
  EXPECT_FALSE(upload->complete(context_));
  inner_.lose_unfinished();
  plan.restart();
  EXPECT_FALSE(upload->complete(context_));
  EXPECT_THAT(inner_.keys(), ElementsAre());
  EXPECT_EQ(inner_.unfinished_uploads(), 0);
}

}  // namespace
}  // namespace sluice
