// Schema mode approve: what needs a change of the table waits, everything else goes on, and exactly what was approved is done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/append.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Approve : public testing::Test {
 protected:
  Approve() {
    world_.ingestion.schema.mode = SchemaMode::kApprove;
    world_.put("a.json", {1});
    world_.run();
  }

  std::vector<WaitingFiles> waiting() {
    auto process = world_.start();
    return *process->ledger().waiting_for_approval(process->registered().id);
  }
  RunReport approve(const std::vector<std::string>& changes) {
    auto report = world_.start()->run({.approved = changes});
    EXPECT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->run.error, "");
    return *std::move(report);
  }
  FileRecord file(const std::string& name) {
    auto process = world_.start();
    FilesQuery query;
    query.ingestion = process->registered().id;
    query.path = World::uri(name);
    return process->ledger().files(query)->files.at(0);
  }
  bool has_column(const std::string& name) { return world_.table().metadata.current_schema().find(name) != nullptr; }

  World world_;
};

auto group(const std::string& changes, int64_t files) {
  return AllOf(testing::Field(&WaitingFiles::changes, changes), testing::Field(&WaitingFiles::files, files));
}

// Prevents a column that nobody approved, files lost or failed for waiting, and a good file held back by a neighbour that waits.
TEST_F(Approve, FilesThatNeedAChangeWaitAndOthersLoad) {
  world_.put("b.json", {2});
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.put_text("d.json", R"({"id": 4, "city": "Rome"})");
  const RunReport report = world_.run();
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 2));
  EXPECT_FALSE(has_column("city"));
  EXPECT_EQ(report.run.state, RunState::kCompleted);
  EXPECT_EQ(report.run.metrics.files_failed, 0);
  EXPECT_THAT(report.run.schema_changes, ElementsAre("pending: add column city string"));
  EXPECT_THAT(report.waiting, ElementsAre(group("add column city string", 2)));
  EXPECT_EQ(file("c.json").state, FileState::kDiscovered);
  EXPECT_EQ(file("c.json").error_type, error_type::kNeedsApproval);
  world_.check_invariants("while two files wait");
}

// Prevents files that wait from being read again by every run of a schedule, and from using up their attempts.
TEST_F(Approve, WhatWaitsIsNotReadAgain) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.run();
  const FileRecord before = file("c.json");
  const RunReport again = world_.run();
  EXPECT_THAT(again.waiting, ElementsAre(group("add column city string", 1))) << "but it is reported";
  EXPECT_EQ(file("c.json").batch_id, before.batch_id);
  EXPECT_EQ(file("c.json").attempts, 0);
}

// Prevents an approval that changes nothing, loads nothing, or takes two commands where people expect one.
TEST_F(Approve, AnApprovalChangesTheTableAndLoads) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.run();
  const RunReport report = approve({"add column city string"});
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3));
  EXPECT_TRUE(has_column("city"));
  EXPECT_THAT(report.run.schema_changes, ElementsAre("add column city string"));
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(file("c.json").error_type, "");
  world_.check_invariants("after the approval");
}

// Prevents an approval of one change from letting another in: of another file, or of the same one changed since it was shown.
TEST_F(Approve, OnlyWhatWasApprovedIsDone) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.put_text("d.json", R"({"id": 4, "zip": 3000})");
  world_.put_text("e.json", R"({"id": 5, "city": "Rome", "zip": 100})");
  world_.run();
  EXPECT_THAT(waiting(), ElementsAre(group("add column city string", 1), group("add column city string; add column zip long", 1),
                                     group("add column zip long", 1)));
  approve({"add column city string"});
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3));
  EXPECT_FALSE(has_column("zip"));
  EXPECT_THAT(waiting(), ElementsAre(group("add column zip long", 2))) << "the city is there by now";

  world_.put_text("d.json", R"({"id": 6, "zip": 3000, "land": "CH"})");
  world_.run();
  approve({"add column zip long"});
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3, 5));
  EXPECT_FALSE(has_column("land"));
  EXPECT_THAT(waiting(), ElementsAre(group("add column land string", 1)));
  world_.check_invariants("with one left");
}

// Prevents files that wait for ever although somebody made the change by other means, as people do whose tables are not ours to change.
TEST_F(Approve, AChangeMadeByOthersLetsThemGo) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.run();
  Schema wanted = world_.table().metadata.current_schema();
  wanted.fields.push_back({0, "city", false, make_type(TypeId::kString)});
  world_.commit(*plan_schema_change(world_.table().metadata, wanted));
  const RunReport report = world_.run();
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3));
  EXPECT_THAT(report.waiting, IsEmpty());
  EXPECT_THAT(report.run.schema_changes, IsEmpty());
}

// Prevents files that wait for an approval that no mode asks for any more.
TEST_F(Approve, AnotherModeLetsThemGo) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.run();
  world_.ingestion.schema.mode = SchemaMode::kEvolve;
  world_.run();
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3));
  EXPECT_THAT(waiting(), IsEmpty());
}

// Prevents files from waiting for a change that no table can make: their values are rescued, and nobody is asked.
TEST_F(Approve, WhatNoChangeCouldTakeIsRescued) {
  world_.put_text("c.json", R"({"id": 3, "size": 1})");
  world_.run();
  approve({"add column size long"});
  world_.put_text("d.json", R"({"id": 4, "size": "large"})");
  const RunReport report = world_.run();
  EXPECT_THAT(world_.ids(), UnorderedElementsAre(1, 3, 4));
  EXPECT_EQ(report.run.metrics.rows_rescued, 1);
  EXPECT_THAT(report.waiting, IsEmpty());
}

// Prevents a waiting file that was left half way: the process that carries out an approval dies after it let the files go.
TEST_F(Approve, ADeadApprovalLeavesThemWaiting) {
  world_.put_text("c.json", R"({"id": 3, "city": "Bern"})");
  world_.run();
  auto process = world_.start();
  ASSERT_EQ(*process->ledger().release_waiting(process->registered().id), 1);
  process.reset();
  const RunReport report = world_.run();
  EXPECT_THAT(report.waiting, ElementsAre(group("add column city string", 1)));
  EXPECT_FALSE(has_column("city"));
  world_.check_invariants("after the next run");
}

}  // namespace
}  // namespace sluice
