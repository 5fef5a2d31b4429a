// Archives over the whole pipeline: what becomes of members when their archive changes while they wait or are read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fault_plan.h"
#include "faulty_ledger.h"
#include "formats/format.h"
#include "pipeline/input_file.h"
#include "world/small_zip.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

std::string row(int id) { return "{\"id\": " + std::to_string(id) + "}\n"; }

/// The archive is opened, and its members wait.
void open_only(World& world) {
  world.ingestion.run_files_max = 1;
  world.run();
  world.ingestion.run_files_max.reset();
  EXPECT_FALSE(world.has_table());
}

// Bug: an archive that is sent again while its members wait is taken for opened, though their records could not be updated in their batch:
// the new content is never loaded.
TEST(Archives, SentAgainWhileItsMembersWait) {
  World world;
  world.put_text("a.zip", small_zip({{"same.json", row(1)}, {"changed.json", row(2)}, {"gone.json", row(3)}}));
  open_only(world);
  world.put_text("a.zip", small_zip({{"same.json", row(1)}, {"changed.json", row(20)}, {"new.json", row(4)}}));
  const RunReport report = world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 20, 4));
  EXPECT_EQ(report.run.metrics.files_skipped, 1);  // gone.json: Vanished
  world.check_invariants("after the second upload");
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 20, 4));
}

// Bug: a broken member that was taken out of the archive stays FAILED for ever, and its archive with it.
TEST(Archives, AFailedMemberThatIsTakenOut) {
  World world;
  world.put_text("a.zip", small_zip({{"x.json", row(1)}, {"broken.json", "{\n"}}));
  for (int i = 0; i < world.ingestion.retry_attempts_max; ++i) (void)world.start()->run();
  world.put_text("a.zip", small_zip({{"x.json", row(1)}, {"y.json", row(2)}}));
  const RunReport report = world.run();
  EXPECT_EQ(report.run.metrics.files_failed, 0);
  auto process = world.start();
  const auto page = process->ledger().files({.ingestion = process->registered().id, .path = World::uri("a.zip!/broken.json")});
  ASSERT_TRUE(page && page->files.size() == 1);
  EXPECT_EQ(page->files.front().state, FileState::kSkipped);
  EXPECT_EQ(page->files.front().error_type, error_type::kVanished);
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after it was taken out");
}

// Bug: rows of a member come twice when its archive goes back to an upload that was loaded before, or a member that failed then stays so.
TEST(Archives, BackAtAnEarlierUpload) {
  World world;
  const std::string first = small_zip({{"x.json", row(1)}}), second = small_zip({{"x.json", row(2)}});
  for (const std::string& upload : {first, second, first, second}) {
    world.put_text("a.zip", upload);
    world.run();
  }
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after four uploads");
}

// Bug: members of an archive in an archive, or of an archive that is replaced by a plain file, wait or stay FAILED for ever: nobody ends
// them. Rows of the file that lies there now are loaded once.
TEST(Archives, ReplacedByAPlainFile) {
  for (const bool wait : {false, true}) {
    World world;
    world.ingestion.archives.nested = true;
    const std::string inner = small_zip({{"y.json", row(2)}, {"broken.json", "{\n"}});
    world.put_text("a", small_zip({{"x.json", row(1)}, {"broken.json", "{\n"}, {"inner.zip", inner}}));
    if (wait) {
      open_only(world);
    } else {
      for (int i = 0; i < world.ingestion.retry_attempts_max; ++i) (void)world.start()->run();
    }
    world.put_text("a", row(3));
    (void)world.start()->run();
    (void)world.start()->run();
    auto process = world.start();
    const auto page = process->ledger().files({.ingestion = process->registered().id});
    ASSERT_TRUE(page);
    EXPECT_EQ(page->files.size(), wait ? 4u : 6u);
    for (const FileRecord& file : page->files) {
      const bool has_rows = file.path == World::uri("a") || (!wait && file.rows > 0);
      EXPECT_EQ(file.state, has_rows ? FileState::kSuccess : FileState::kSkipped) << file.path;
      EXPECT_EQ(file.error_type, has_rows ? "" : error_type::kVanished) << file.path;
    }
    EXPECT_EQ(world.ids(), wait ? std::multiset<int64_t>({3}) : std::multiset<int64_t>({1, 2, 3}));
    EXPECT_EQ(world.start()->run()->run.metrics.files_processed, 0);
  }
}

/// A process lists and opens the archive, and dies before that is confirmed: its members are recorded, its own record is of no end.
void die_while_opening(World& world, const std::string& operation) {
  FaultPlan plan(Fault{.kind = FaultKind::kCrashBefore, .operation = operation});
  std::unique_ptr<FaultyLedger> faulty;
  auto process = world.start({.ledger = [&](WorkLedger& ledger) -> WorkLedger& {
    faulty = std::make_unique<FaultyLedger>(ledger, plan);
    return *faulty;
  }});
  (void)process->run();
  EXPECT_TRUE(plan.fired());
}

/// Every record: its path within file:///in/, and its state or why it is skipped or failed.
std::map<std::string, std::string> states(World& world) {
  auto process = world.start();
  std::map<std::string, std::string> found;
  const auto page = process->ledger().files({.ingestion = process->registered().id});
  EXPECT_TRUE(page);
  for (const FileRecord& file : page->files) {
    found[file.path.substr(World::uri("").size())] = file.error_type.empty() ? std::string(to_string(file.state)) : file.error_type;
  }
  return found;
}

// Bug: an archive whose reader died before it confirmed, and that is another file by the next run, leaves members behind that nobody ends:
// its record says nothing of them. A large file is read in parts, and what is of no format is not read at all: they end members, too.
TEST(Archives, ReplacedAfterADeathThatLeftMembers) {
  std::string large;
  for (int id = 0; std::ssize(large) < 2 * kSplitBytes; ++id) large += row(id);
  const std::string binary("\x00\x01\x02 nothing that is known \x00\xff", 28);
  const std::string large_binary = binary + std::string(kWholeFileBytesMax, '\0');
  const std::vector<std::pair<std::string, std::string>> deaths = {{"ledger.prepare", row(3)},       {"ledger.prepare", large},
                                                                   {"ledger.prepare", ""},           {"ledger.prepare", binary},
                                                                   {"ledger.prepare", large_binary}, {"ledger.confirm", row(3)}};
  for (const auto& [operation, after] : deaths) {
    World world;
    world.ingestion.sources.front().format = "auto";
    world.ingestion.archives.nested = true;
    world.put_text("a", small_zip({{"x.json", row(1)}, {"inner.zip", small_zip({{"y.json", row(2)}})}}));
    die_while_opening(world, operation);
    world.put_text("a", after);
    (void)world.start()->run();
    (void)world.start()->run();
    const std::string end = after.starts_with(binary) ? "ParseError" : "SUCCESS";
    EXPECT_THAT(states(world), UnorderedElementsAre(Pair("a", end), Pair("a!/x.json", "Vanished"), Pair("a!/inner.zip", "Vanished")))
        << operation << ", " << after.size() << " bytes";
    EXPECT_EQ(world.start()->run()->run.metrics.files_processed, 0);
  }
}

// Bug: an archive that cannot be opened for a while is a file of no format from then on; when it is none any more, its members stay FAILED.
TEST(Archives, ReplacedAfterItWasBroken) {
  World world;
  world.ingestion.sources.front().format = "auto";
  world.put_text("a.zip", small_zip({{"x.json", row(1)}, {"broken.json", "{\n"}}));
  for (int i = 0; i < world.ingestion.retry_attempts_max; ++i) (void)world.start()->run();
  world.put_text("a.zip", std::string("\x00\x01\x02", 3));
  (void)world.start()->run();
  world.put_text("a.zip", row(3));
  world.run();
  EXPECT_THAT(states(world),
              UnorderedElementsAre(Pair("a.zip", "SUCCESS"), Pair("a.zip!/x.json", "SUCCESS"), Pair("a.zip!/broken.json", "Vanished")));
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 3));
}

// Bug: an archive that is taken out of another one leaves its own members behind, waiting or failed.
TEST(Archives, AnInnerOneThatIsTakenOut) {
  World world;
  world.ingestion.archives.nested = true;
  world.put_text("a.zip", small_zip({{"inner.zip", small_zip({{"broken.json", "{\n"}})}, {"x.json", row(1)}}));
  for (int i = 0; i < world.ingestion.retry_attempts_max; ++i) (void)world.start()->run();
  world.put_text("a.zip", small_zip({{"x.json", row(1)}}));
  world.run();
  auto process = world.start();
  const auto page = process->ledger().files({.ingestion = process->registered().id, .path = World::uri("a.zip!/inner.zip!/broken.json")});
  ASSERT_TRUE(page && page->files.size() == 1);
  EXPECT_EQ(page->files.front().state, FileState::kSkipped);
  EXPECT_EQ(page->files.front().error_type, error_type::kVanished);
}

// Bug: members under on_change: fail or ignore replace what was loaded, or take their unchanged neighbours with them.
TEST(Archives, OnChangeIsAboutMembers) {
  for (const OnChange on_change : {OnChange::kIgnore, OnChange::kFail}) {
    World world;
    world.ingestion.on_change = on_change;
    world.put_text("a.zip", small_zip({{"x.json", row(1)}, {"y.json", row(2)}}));
    world.run();
    world.put_text("a.zip", small_zip({{"x.json", row(10)}, {"y.json", row(2)}, {"z.json", row(3)}}));
    (void)world.start()->run();
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3)) << to_string(on_change);
  }
}

// Bug: a process that dies between the members' records and the end of their archive's batch makes the next one record them again.
TEST(Archives, KilledWhileItIsOpened) {
  World world;
  world.put_text("a.zip", small_zip({{"x.json", row(1)}, {"y.json", row(2)}}));
  {
    auto process = world.start();
    const Ingestion registered = process->registered();
    ASSERT_TRUE(
        process->ledger().record_discovered({registered.id, SourceId("main"), RunId(), OnChange::kAppend, World::uri("a.zip")},
                                            std::vector{Seen{{World::uri("a.zip!/x.json"), "10-00000000", 10, {}}, std::nullopt, "", ""}}));
  }
  world.run();
  EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2));
  world.check_invariants("after the run");
}

}  // namespace
}  // namespace sluice
