#include "faulty_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

/// Compares and sets a counter kept in metadata_location.
class CountingCatalog final : public Catalog {
 public:
  std::string uri() const override { return "fake:"; }
  std::string warehouse() const override { return "mem://wh"; }
  Result<LoadedTable> load(const TableId&, Context&) override { return loaded(); }
  Result<LoadedTable> create(const TableId&, const CreateTable&, Context&) override {
    if (version != 0) return fail(ErrorCode::kConflict, "exists");
    ++version;
    return loaded();
  }
  Result<LoadedTable> commit(const LoadedTable& base, const TableChange&, Context&) override {
    if (base.metadata_location != std::to_string(version)) return fail(ErrorCode::kConflict, "moved on");
    ++version;
    return loaded();
  }
  Result<std::vector<TableId>> tables(Context&) override { return std::vector<TableId>{}; }
  Result<void> end_attempts(const std::string& batch, Context&) override {
    ended = batch;
    return {};
  }

  LoadedTable loaded() const {
    LoadedTable table;
    table.metadata_location = std::to_string(version);
    return table;
  }

  int version = 0;
  std::string ended;
};

class FaultyCatalogTest : public ::testing::Test {
 protected:
  CountingCatalog inner_;
  Context context_;
};

// An operation that does not ask the plan is left out of every sweep.
TEST_F(FaultyCatalogTest, EveryOperationIsCounted) {
  FaultPlan plan;
  FaultyCatalog catalog(inner_, plan);
  const LoadedTable created = catalog.create({}, {}, context_).value();
  ASSERT_TRUE(catalog.commit(created, {}, context_));
  ASSERT_TRUE(catalog.load({}, context_));
  ASSERT_TRUE(catalog.tables(context_));
  ASSERT_TRUE(catalog.end_attempts("b", context_));
  EXPECT_EQ(inner_.ended, "b");
  EXPECT_THAT(plan.trace(),
              ::testing::ElementsAre("catalog.create", "catalog.commit", "catalog.load", "catalog.tables", "catalog.end_attempts"));
  EXPECT_EQ(catalog.uri(), "fake:");
}

// Rule U stands on this: unknown with and without effect must look alike to the caller, and differ in the table.
TEST_F(FaultyCatalogTest, UnknownCommitsMayOrMayNotHaveLanded) {
  for (const auto& [kind, landed] : {std::pair{FaultKind::kFailAfter, 1}, {FaultKind::kUnknownWithout, 0}}) {
    inner_.version = 5;
    FaultPlan plan({.kind = kind, .operation = "catalog.commit"});
    FaultyCatalog catalog(inner_, plan);
    const LoadedTable base = catalog.load({}, context_).value();
    EXPECT_EQ(catalog.commit(base, {}, context_).error().code, ErrorCode::kOutcomeUnknown);
    EXPECT_EQ(inner_.version, 5 + landed);
  }
}

// A late request must land after its sender looked and found nothing: that is what the fence is for.
TEST_F(FaultyCatalogTest, LateCommitsLandBeforeALaterOperation) {
  FaultPlan plan({.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = 2});
  FaultyCatalog catalog(inner_, plan);
  EXPECT_FALSE(catalog.commit(inner_.loaded(), {}, context_));
  EXPECT_EQ(catalog.late().count(), 1);
  EXPECT_EQ(catalog.load({}, context_)->metadata_location, "0");
  EXPECT_EQ(catalog.load({}, context_)->metadata_location, "1");
  EXPECT_EQ(catalog.late().count(), 0);
}

// A fence that moved the table makes the late request lose: it must be refused by the catalog, not dropped by the decorator.
TEST_F(FaultyCatalogTest, LateCommitsLoseAgainstAMovedTable) {
  FaultPlan plan({.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = 100});
  FaultyCatalog catalog(inner_, plan);
  EXPECT_FALSE(catalog.commit(inner_.loaded(), {}, context_));
  ASSERT_TRUE(catalog.commit(inner_.loaded(), {}, context_));
  EXPECT_EQ(catalog.late().land_all(), 0);
  EXPECT_EQ(inner_.version, 1);
}

// The request outlives the process that sent it.
TEST_F(FaultyCatalogTest, RequestsInFlightSurviveACrash) {
  FaultPlan plan({Fault{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = 100},
                  Fault{.kind = FaultKind::kCrashBefore, .operation = "catalog.load"}});
  FaultyCatalog catalog(inner_, plan);
  EXPECT_FALSE(catalog.commit(inner_.loaded(), {}, context_));
  EXPECT_FALSE(catalog.load({}, context_));
  plan.restart();
  EXPECT_EQ(catalog.late().land_all(), 1);
  EXPECT_EQ(inner_.version, 1);
}

}  // namespace
}  // namespace sluice
