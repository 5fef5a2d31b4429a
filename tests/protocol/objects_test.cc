// Rule S, Parquet objects: one test for each thing that may go wrong between ledger and objects. Tests are named after the rule.
#include <fmt/format.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "pipeline/object_facts.h"
#include "pipeline/rebuild.h"
#include "world/forwarding_store.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string object(const std::string& name) { return fmt::format("{}/{}.parquet", kObjects, name); }

/// Calls `act` once, before an object is put that `when` picks.
class BeforePut final : public ForwardingStore {
 public:
  BeforePut(ObjectStore& inner, std::function<bool(const PutOptions&)> when, std::function<void()> act)
      : ForwardingStore(inner), when_(std::move(when)), act_(std::move(act)) {}

  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override {
    if (when_(options)) {
      if (auto act = std::exchange(act_, nullptr)) act();
    }
    return inner_.put(key, bytes, options, context);
  }

 private:
  const std::function<bool(const PutOptions&)> when_;
  std::function<void()> act_;
};

/// The store dies after so many objects: what follows is refused.
class DiesAfterPuts final : public ForwardingStore {
 public:
  DiesAfterPuts(ObjectStore& inner, int puts) : ForwardingStore(inner), left_(puts) {}

  Result<ObjectInfo> put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) override {
    if (left_-- <= 0) return fail(ErrorCode::kUnavailable, "the store is gone");
    return inner_.put(key, bytes, options, context);
  }

 private:
  std::atomic<int> left_;
};

struct ObjectWorld : World {
  explicit ObjectWorld(MemoryStoreOptions options = {}) : World(options) { use_objects(); }

  /// Of the one file with this name.
  FileRecord file(const std::string& name) {
    auto process = start();
    FilesQuery query{process->registered().id};
    query.path = uri(name);
    return process->ledger().files(query)->files.at(0);
  }
};

/// A run that ends when its store dies after so many objects.
void run_until_puts(World& world, int puts) {
  DiesAfterPuts store(world.store, puts);
  Wrapping wrapping;
  wrapping.store = [&](ObjectStore&) -> ObjectStore& { return store; };
  auto process = world.start(wrapping);
  const auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.state, RunState::kFailed);
}

// Bug: a file is converted again by every run, or lands at a key that does not say where it came from.
TEST(Objects, EachFileBecomesOneOnce) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  world.put("dir/b.json", {3});
  world.run();
  const auto before = world.objects();
  EXPECT_THAT(before, ElementsAre(testing::Key(object("a.json")), testing::Key(object("dir/b.json"))));
  const RunReport second = world.run();
  EXPECT_EQ(second.run.metrics.files_processed, 0);
  EXPECT_EQ(world.objects(), before);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after two runs");
}

// Bug: a batch that was given up leaves objects, and the next one writes them a second time, or fails because they are there.
TEST(Objects, WhatAWithdrawnBatchLeftIsTakenUp) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  world.put("b.json", {3});
  run_until_puts(world, 1);
  const auto left = world.objects();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(world.file("a.json").state, FileState::kDiscovered);
  world.run();
  EXPECT_EQ(world.objects().at(left.begin()->first), left.begin()->second) << "it was written again";
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3));
  world.check_invariants("after the second run");
}

/// Nothing is known of what was put, and nothing is there afterwards: a disk behind the store is full.
class NeverAnswers final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<ObjectInfo> put(const Key&, std::span<const char>, const PutOptions&, Context&) override {
    ++puts;
    return fail(ErrorCode::kOutcomeUnknown, "no answer");
  }
  std::atomic<int> puts = 0;
};

// Bug: a store without room is asked again for minutes, each time after it was asked again and again already; or its files fail.
TEST(Objects, AStoreThatTakesNothingEndsTheRunSoon) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  NeverAnswers store(world.store);
  Wrapping wrapping;
  wrapping.store = [&](ObjectStore&) -> ObjectStore& { return store; };
  const auto report = world.start(wrapping)->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.state, RunState::kFailed);
  EXPECT_EQ(store.puts, 2);
  EXPECT_EQ(world.file("a.json").state, FileState::kDiscovered);
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("with room again");
}

// Bug: an object that was made with another definition is taken for what the definition of now would make.
TEST(Objects, WhatAnotherDefinitionMadeIsMadeAnew) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  world.put("b.json", {3});
  run_until_puts(world, 1);
  const auto left = world.objects();
  world.ingestion.metadata_columns = {"_source_file", "_source_row"};
  world.run();
  EXPECT_NE(world.objects().at(left.begin()->first), left.begin()->second);
  world.check_invariants("after the second run");
}

// Bug: an object that somebody else put at a file's key is overwritten, or fails the whole run.
TEST(Objects, WhatIsNotOursIsNotTouched) {
  ObjectWorld world;
  world.put("a.json", {1});
  world.put("b.json", {2});
  Context context;
  const std::string foreign = "not ours";
  ASSERT_TRUE(world.store.put(object("a.json"), foreign, {}, context));
  auto process = world.start();
  const auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.metrics.files_failed, 1);
  EXPECT_EQ(report->run.metrics.files_processed, 1);
  const FileRecord file = world.file("a.json");
  EXPECT_EQ(file.error_type, error_type::kKeyTaken);
  EXPECT_THAT(file.error_message, HasSubstr(object("a.json")));
  EXPECT_EQ(read_now(world.store, {object("a.json"), "", {}}), foreign);
}

// Bug: two sources with a file of the same name write one object in turns, and one of the files is lost.
TEST(Objects, TwoFilesNeverShareAKey) {
  ObjectWorld world;
  world.put("north/a.json", {1});
  world.put("south/a.json", {2});
  Source south = world.ingestion.sources.front();
  south.id = SourceId("south");
  south.paths = {"file:///in/south/**"};
  world.ingestion.sources.front().paths = {"file:///in/north/**"};
  world.ingestion.sources.push_back(south);
  auto process = world.start();
  const auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.metrics.files_failed, 1);
  EXPECT_THAT(world.ids(), ElementsAre(1));
  const FileRecord second = world.file("south/a.json");
  EXPECT_EQ(second.error_type, error_type::kKeyTaken);
  EXPECT_THAT(second.error_message, HasSubstr("file:///in/north/a.json of ingestion objects"));
}

// Bug: a changed file's object stays as it was, or is written beside the old one.
TEST(Objects, AChangedFileReplacesItsObject) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  world.run();
  world.put("a.json", {3});
  world.run();
  EXPECT_THAT(world.ids(), ElementsAre(3));
  world.check_invariants("after the change");
}

// Bug: a file that goes back to an earlier version is taken for loaded, and its object stays the one of the version between, or away.
TEST(Objects, AVersionThatComesBackIsConvertedAgain) {
  ObjectWorld world({.content_versions = true});
  const std::string between[] = {"{\"id\": 3}\n", ""};
  world.put("a.json", {1, 2});
  world.run();
  for (const std::string& text : between) {
    world.put_text("a.json", text);
    world.run();
    EXPECT_EQ(world.ids().size(), text.empty() ? 0u : 1u);
    world.put("a.json", {1, 2});
    EXPECT_EQ(world.run().run.metrics.files_processed, 1);
    EXPECT_THAT(world.ids(), ElementsAre(1, 2));
    EXPECT_EQ(world.file("a.json").rows, 2);
    EXPECT_EQ(world.run().run.metrics.files_processed, 0);
    world.check_invariants("after it came back");
  }
}

// Bug: an object that was replaced after the ledger's backup was made is converted again after a rebuild, or shown with the rows of before.
TEST(Objects, ARebuildKnowsWhichVersionAnObjectHolds) {
  ObjectWorld world({.content_versions = true});
  world.put("a.json", {1, 2});
  world.run();
  world.back_up_ledger("old");
  world.put("a.json", {3});
  world.run();
  world.restore_ledger("old");
  {
    auto process = world.start();
    const auto report = rebuild(process->parts(), process->registered(), process->sink(), {}, process->context);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->files_to_load, 0);
  }
  EXPECT_EQ(world.file("a.json").rows, 1);
  EXPECT_EQ(world.file("a.json").loaded_version, world.file("a.json").version);
  EXPECT_EQ(world.run().run.metrics.files_processed, 0);
  world.put("a.json", {1, 2});
  EXPECT_EQ(world.run().run.metrics.files_processed, 1);
  EXPECT_THAT(world.ids(), ElementsAre(1, 2));
  world.check_invariants("after the rebuild");
}

// Bug: a file that holds nothing any more leaves the object of its older version, whose rows nobody would miss; an empty file gets one.
TEST(Objects, AFileWithoutRowsHasNone) {
  ObjectWorld world;
  world.put("a.json", {1, 2});
  world.put_text("empty.json", "");
  world.run();
  EXPECT_EQ(world.file("empty.json").state, FileState::kSuccess);
  EXPECT_THAT(world.objects(), ElementsAre(testing::Key(object("a.json"))));
  world.put_text("a.json", "");
  world.run();
  EXPECT_THAT(world.objects(), ElementsAre());
  world.check_invariants("after it was emptied");
}

/// A worker that replaces an object stalls before the put that `when` describes; another one takes the file over, at a newer version.
void stall_before(const std::function<bool(const PutOptions&)>& when) {
  ObjectWorld world;
  world.put("a.json", {1});
  world.run();
  world.put("a.json", {2});
  BeforePut store(world.store, when, [&] {
    world.clock.advance(std::chrono::minutes(10));  // its lease is over
    world.put("a.json", {3});
    world.run();
  });
  Wrapping wrapping;
  wrapping.store = [&](ObjectStore&) -> ObjectStore& { return store; };
  auto stalled = world.start(wrapping);
  (void)stalled->run();
  EXPECT_THAT(world.ids(), ElementsAre(3));
  world.check_invariants("after it woke up");
}

// Bug: a worker that stalls between looking at an object and replacing it wakes up when its batch is another's and the file has changed
// again, and puts the older version over the newer one.
TEST(Objects, AStalledWorkerDoesNotReplaceWhatCameAfterIt) {
  stall_before([](const PutOptions& options) { return !options.if_match.empty(); });
}

// Bug: the same worker stalls before it has looked: it finds the newer object, asks nobody, and replaces that.
TEST(Objects, AWorkerAsksTheLedgerBeforeItReplaces) {
  stall_before([](const PutOptions& options) { return options.if_none_match; });
}

// Bug: an ingestion that is pointed at another prefix says that its files are done, and there is nothing at the new place.
TEST(Objects, AnotherPrefixStops) {
  ObjectWorld world;
  world.put("a.json", {1});
  world.run();
  world.ingestion.parquet->prefix = "file:///elsewhere";
  auto process = world.start();
  const auto report = process->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.state, RunState::kFailed);
  EXPECT_THAT(report->run.error, AllOf(HasSubstr("Parquet objects below file:///out so far"), HasSubstr("below file:///elsewhere now")));
}

// Bug: a stop throws away the objects that the batch in hand has finished.
TEST(Objects, AStopKeepsWhatIsDone) {
  ObjectWorld world;
  for (int i = 0; i < 6; ++i) world.put(fmt::format("{}.json", i), {i});
  std::stop_source stop;
  std::atomic<int> puts = 0;
  BeforePut store(world.store, [&](const PutOptions&) { return ++puts == 3; }, [&] { stop.request_stop(); });
  Wrapping wrapping;
  wrapping.store = [&](ObjectStore&) -> ObjectStore& { return store; };
  auto stopped = world.start(wrapping);
  stopped->context.stop = stop.get_token();
  const auto report = stopped->run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.state, RunState::kCancelled);
  EXPECT_GE(report->run.metrics.files_processed, 1);
  EXPECT_LT(report->run.metrics.files_processed, 6);
  world.run();
  EXPECT_EQ(world.ids().size(), 6u);
  world.check_invariants("after it went on");
}

}  // namespace
}  // namespace sluice
