// What a mark holds while several batches are open. Tests are named after the rule.
#include <gmock/gmock.h>

#include "pipeline/mark_rules.h"
#include "world/dying_processes.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Optional;
using testing::UnorderedElementsAre;

Mark mark_of(World& world) {
  const auto process = world.start();
  const std::string key = "sluice.ingestion." + process->registered().id.text;
  return parse_mark(world.table().metadata.properties.at(key)).value();
}

MarkEntry entry(const std::string& batch, int64_t seq) { return {BatchId(batch), seq, seq * 100, seq}; }

// Bug: `open` is made from the ledger alone, or pruned of batches that are not confirmed: one that landed looks absent and is published
// again.
TEST(Mark, KeepsWhatIsNotKnownToBeConfirmed) {
  World world;
  world.put("a.json", {1});
  world.run();
  const MarkEntry confirmed = mark_of(world).open.at(0);
  const PreparedBatch prepared = die_prepared(world, {2});
  const auto process = world.start();

  TargetState state;
  state.pin.base_sequence_number = 9;
  const MarkEntry waiting{prepared.batch, prepared.seq, prepared.snapshot_id, 8};
  state.marks[prepared.ingestion] = {
      process->ledger().ledger_id(), "t.events", entry("older", 0), {entry("unknown", 2), confirmed, waiting}};
  PreparedBatch next = prepared;
  next.batch = BatchId("next"), next.seq = 12, next.snapshot_id = 1200;
  const Mark made = next_mark(process->ledger(), state, process->registered(), next).value();
  EXPECT_THAT(made.open, ElementsAre(entry("unknown", 2), waiting, MarkEntry{BatchId("next"), 12, 1200, 10}));
  EXPECT_THAT(made.last, Optional(confirmed));
}

// Bug: `last` goes back to an older batch, so that rule M takes the table for one that was rolled back.
TEST(Mark, LastIsTheNewestConfirmed) {
  World world;
  world.put("a.json", {1});
  world.run();
  const MarkEntry confirmed = mark_of(world).open.at(0);
  const auto process = world.start();
  TargetState state;
  const IngestionId ingestion = process->registered().id;
  state.marks[ingestion] = {process->ledger().ledger_id(), "t.events", entry("newer", confirmed.seq + 5), {confirmed}};
  PreparedBatch next;
  next.ingestion = ingestion, next.batch = BatchId("next"), next.seq = confirmed.seq + 6;
  const Mark made = next_mark(process->ledger(), state, process->registered(), next).value();
  EXPECT_THAT(made.last, Optional(testing::Field(&MarkEntry::batch, BatchId("newer"))));
  EXPECT_EQ(made.open.size(), 1u);
}

/// `before` the first publish, `after` the one that lands.
class AroundPublish final : public ForwardingSink {
 public:
  AroundPublish(Sink& inner, std::function<void()> before, std::function<void()> after)
      : ForwardingSink(inner), before_(std::move(before)), after_(std::move(after)) {}
  Result<Published> try_publish(const TargetState& s, const PreparedBatch& b, const Mark& m, Context& c) override {
    if (auto act = std::exchange(before_, nullptr)) act();
    auto published = inner_.try_publish(s, b, m, c);
    if (published) after_();
    return published;
  }

 private:
  std::function<void()> before_, after_;
};

// Bug: the second of two workers that publish at the same time takes the first one's batch out of the mark before it is confirmed.
TEST(Mark, HoldsBothBatchesOfTwoWorkers) {
  World world;
  world.put("first.json", {7});
  world.run();
  world.put("a.json", {1});
  std::unique_ptr<DiesAfterPublish> dying;
  std::unique_ptr<Process> other;
  const auto other_publishes = [&] {
    world.put("b.json", {2});
    other = world.start(wrap_sink<DiesAfterPublish>(dying, [](Sink& inner) { return std::make_unique<DiesAfterPublish>(inner); }));
    EXPECT_TRUE(other->run());  // its batch is in the table, and not confirmed; it lives
    EXPECT_EQ(mark_of(world).open.size(), 1u);
  };
  std::vector<size_t> open;
  const auto look = [&] {
    open.push_back(mark_of(world).open.size());
    other.reset();  // dies: ours finishes its batch
  };
  std::unique_ptr<AroundPublish> sink;
  auto process = world.start(
      wrap_sink<AroundPublish>(sink, [&](Sink& inner) { return std::make_unique<AroundPublish>(inner, other_publishes, look); }));
  const auto report = process->run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(open, ElementsAre(2u));
  process.reset();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 7));
  world.check_invariants("after both");
}

}  // namespace
}  // namespace sluice
