// What attempts leave behind when something goes wrong while they clean up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "world/dying_processes.h"
#include "world/forwarding_store.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::UnorderedElementsAre;

/// Removes no manifest list the first time that it is asked to.
class RemovesLater final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<std::vector<DeleteOutcome>> remove(std::span<const VersionedKey> keys, Context& c) override {
    const bool is_list = std::ranges::any_of(keys, [](const VersionedKey& key) { return key.key.contains("-snap-"); });
    if (is_list && !asked_) {
      asked_ = true;
      return fail(ErrorCode::kUnavailable, "not now");
    }
    return inner_.remove(keys, c);
  }
  bool has_been_asked() const { return asked_; }

 private:
  bool asked_ = false;
};

// Bug: the manifest list of a refused commit stays for ever when it cannot be removed at that moment: its batch is confirmed by the next
// attempt, and nobody looks for what confirmed batches left.
TEST(Publish, WhatARefusedCommitWroteIsRemovedLater) {
  World world;
  world.put("a.json", {1});
  world.run();
  world.put("b.json", {2});
  std::unique_ptr<Meanwhile> sink;
  std::unique_ptr<RemovesLater> store;
  auto wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] { world.commit({{}, {SetProperties{{{"owner", "somebody"}}}}}); });
    made->before_publish = true;
    return made;
  });
  wrapping.store = [&](ObjectStore& inner) -> ObjectStore& {
    store = std::make_unique<RemovesLater>(inner);
    return *store;
  };
  auto process = world.start(wrapping);
  ASSERT_TRUE(process->run());
  ASSERT_TRUE(store->has_been_asked());
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after the refused commit");
}

}  // namespace
}  // namespace sluice
