// A worker that sleeps in the middle of publishing, while another one takes its batch over and gives it up, or publishes it. Tests are
// named after the rule.
#include <gmock/gmock.h>

#include "iceberg/append.h"
#include "world/dying_processes.h"

namespace sluice {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

/// Recovery finds staged objects missing, so that it gives the batch up; they stay, so that a late commit could still land whole.
class SaysMissing final : public ForwardingSink {
 public:
  using ForwardingSink::ForwardingSink;
  Result<std::vector<std::string>> missing(const PreparedBatch& batch, Context&) override {
    return std::vector{batch.objects.front().path};
  }
  Result<Published> try_publish(const TargetState& s, const PreparedBatch& b, const Mark& m, Context& c) override {
    if (dies_before_publish) return fail(ErrorCode::kCancelled, "killed");
    return inner_.try_publish(s, b, m, c);
  }
  bool dies_before_publish = false;
};

enum class Stall { kBeforeLoad, kBeforeFind, kBeforePublish };

/// The first worker stalls with its batch prepared. Meanwhile the lease runs out, and another one gives the batch up, stages its file again
/// and publishes it, or dies right before that: then the fence alone has moved the table.
void stall(World& world, Stall where, bool other_dies) {
  world.put("first.json", {7});
  world.run();
  world.put("a.json", {1, 2});
  std::unique_ptr<SaysMissing> missing;
  std::unique_ptr<Process> other;
  std::unique_ptr<Meanwhile> stalled;
  const auto meanwhile = [&] {
    world.clock.advance(std::chrono::minutes(10));
    other = world.start(wrap_sink<SaysMissing>(missing, [&](Sink& inner) {
      auto made = std::make_unique<SaysMissing>(inner);
      made->dies_before_publish = other_dies;
      return made;
    }));
    EXPECT_TRUE(other->run());
    if (other_dies) other.reset();
  };
  auto first = world.start(wrap_sink<Meanwhile>(stalled, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, meanwhile);
    made->before_load_to_publish = where == Stall::kBeforeLoad;
    made->before_find = where == Stall::kBeforeFind;
    made->before_publish = where == Stall::kBeforePublish;
    return made;
  }));
  (void)first->run();
  EXPECT_TRUE(missing) << "nobody took the batch over: the stall is not where it should be";
  first.reset();
  other.reset();
  world.run();
  world.clock.advance(std::chrono::hours(25));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 7));
  world.check_invariants("after the stalled worker woke");
}

constexpr Stall kStalls[] = {Stall::kBeforeLoad, Stall::kBeforeFind, Stall::kBeforePublish};

// Bug: a worker asks the ledger before it loads the table, or not at all: it wakes, sees a table that does not have its batch, and
// publishes what another worker gave up and has loaded under another id.
TEST(Publish, AWorkerThatWakesPublishesNothingThatWasGivenUp) {
  for (const Stall where : kStalls) {
    SCOPED_TRACE(static_cast<int>(where));
    World world;
    stall(world, where, false);
  }
}

// Bug: a batch is given up without a fence: the commit of its first worker, which was under way, lands afterwards, and the files are loaded
// again on top of it.
TEST(RuleW, TheFenceKeepsALateCommitOut) {
  for (const Stall where : kStalls) {
    SCOPED_TRACE(static_cast<int>(where));
    World world;
    stall(world, where, true);
  }
}

/// Sleeps at (d), and dies when it has woken and written its manifest list.
class WakesAndDies final : public ForwardingSink {
 public:
  WakesAndDies(World& world, Sink& inner, std::function<void()> meanwhile)
      : ForwardingSink(inner), world_(world), meanwhile_(std::move(meanwhile)) {}
  Result<Published> try_publish(const TargetState&, const PreparedBatch& batch, const Mark&, Context& context) override {
    const LoadedTable base = world_.table();
    meanwhile_();
    EXPECT_TRUE(plan_append(world_.store, base, {}, batch.snapshot_id, {.object_prefix = batch.batch.text + "-"}, world_.clock, context));
    return fail(ErrorCode::kCancelled, "killed");
  }

 private:
  World& world_;
  std::function<void()> meanwhile_;
};

// Bug: the one that took a batch over publishes it and removes what it finds of the first attempt; what comes after that lies for ever. Or
// the last sweep takes a published batch for one that was withdrawn, and deletes what the table reads.
TEST(RuleR, ADayLaterTheRestOfAnAttemptIsRemoved) {
  World world;
  world.ingestion.table_properties = {{"commit.manifest.min-count-to-merge", "2"}};
  world.put("first.json", {7});
  world.run();
  world.put("a.json", {1, 2});
  const auto meanwhile = [&] {
    world.clock.advance(std::chrono::minutes(10));
    world.run();
  };
  std::unique_ptr<WakesAndDies> sink;
  (void)world.start(wrap_sink<WakesAndDies>(sink, [&](Sink& inner) { return std::make_unique<WakesAndDies>(world, inner, meanwhile); }))
      ->run();
  EXPECT_THAT(world.orphans(), Not(IsEmpty())) << "the attempt left nothing behind: the test is not where it should be";
  world.clock.advance(std::chrono::hours(25));
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 7));
  world.check_invariants("after the last sweep");
}

}  // namespace
}  // namespace sluice
