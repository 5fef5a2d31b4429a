// Rule U: commits and ledger writes whose answer is lost, with and without their effect, or with one that comes later. Tests are named
// after the rule.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "fault_plan.h"
#include "faulty_catalog.h"
#include "faulty_ledger.h"
#include "faulty_store.h"
#include "net/http.h"
#include "world/dying_processes.h"
#include "world/world.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr bool kCatalogsAreRest[] = {false, true};
constexpr FaultKind kWithAndWithoutEffect[] = {FaultKind::kFailAfter, FaultKind::kUnknownWithout};

/// A table with row 7, and a.json and b.json to load, whose processes get no answers where the faults say so. A request that went out
/// outlives the process that sent it.
class Unanswered {
 public:
  Unanswered(std::vector<Fault> faults, bool rest) : plan_(std::move(faults)), store_(world.store, plan_), stores_(store_) {
    if (rest) world.use_rest_catalog();
    world.put("first.json", {7});
    world.run();
    world.put("a.json", {1, 2});
    world.put("b.json", {3});
    inner_catalog_ = world.open_catalog(stores_);
    catalog_.emplace(*inner_catalog_, plan_);
  }

  /// A process runs once and ends, or dies where a fault says so. What it said.
  std::string run(std::function<void()> before_publish = {}) {
    std::unique_ptr<FaultyLedger> ledger;
    std::unique_ptr<Meanwhile> sink;
    Wrapping wrapping = wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
      auto made = std::make_unique<Meanwhile>(inner, before_publish);
      made->before_publish = true;
      return made;
    });
    wrapping.store = [this](ObjectStore&) -> ObjectStore& { return store_; };
    wrapping.catalog = [this](Catalog&) -> Catalog& { return *catalog_; };
    wrapping.ledger = [&](WorkLedger& inner) -> WorkLedger& {
      ledger = std::make_unique<FaultyLedger>(inner, plan_);
      return *ledger;
    };
    const auto process = world.start(wrapping);
    const auto report = process->run();
    plan_.restart();
    return report ? report->run.error : report.error().message;
  }

  /// Tries, all in all.
  int64_t commits() const {
    return std::ranges::count_if(plan_.trace(), [](const std::string& name) { return name.starts_with("catalog.commit"); });
  }
  /// Between the first commit without an answer and the first `until` after it.
  int64_t removals_until(const std::string& until) const {
    const auto trace = plan_.trace();
    const auto from = std::ranges::find(trace, "catalog.commit!");
    EXPECT_NE(from, trace.end());
    return std::count(from, std::find(from, trace.end(), until), "store.remove");
  }

  int64_t land_late_requests() { return catalog_->late().land_all(); }

  void check_loaded_once() {
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3, 7));
    EXPECT_EQ(world.run().run.metrics.records_written, 0);
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 3, 7));
    world.check_invariants("once every answer is known");
  }

  World world;

 private:
  FaultPlan plan_;
  FaultyStore store_;
  SingleStore stores_;
  std::unique_ptr<Catalog> inner_catalog_;
  std::optional<FaultyCatalog> catalog_;
};

// Bug: a commit that landed is made once more, or one that did not is taken for done, because its answer was lost; or what it wrote is
// deleted while nobody knows.
TEST(RuleU, ACommitWithoutAnAnswerIsLookedFor) {
  for (const bool rest : kCatalogsAreRest) {
    for (const FaultKind kind : kWithAndWithoutEffect) {
      SCOPED_TRACE(fmt::format("{}, rest: {}", to_string(kind), rest));
      Unanswered unanswered({{.kind = kind, .operation = "catalog.commit"}}, rest);
      EXPECT_EQ(unanswered.run(), "");
      const bool landed = kind == FaultKind::kFailAfter;
      EXPECT_EQ(unanswered.commits(), landed ? 1 : 2);
      EXPECT_EQ(unanswered.removals_until(landed ? "catalog.load" : "catalog.commit"), 0);
      unanswered.check_loaded_once();
    }
  }
}

// Bug: the refusal of a second attempt is taken for one of the first: what the first one wrote is deleted, which landed and made the second
// one be refused, or the batch is given up and loaded again.
TEST(RuleU, ARefusalIsOneOfItsOwnAttemptOnly) {
  for (const bool rest : kCatalogsAreRest) {
    SCOPED_TRACE(rest);
    Unanswered unanswered({{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = 2}}, rest);
    EXPECT_EQ(unanswered.run(), "");
    EXPECT_EQ(unanswered.commits(), 2) << "the late one should land between (a) and (d) of the second";
    unanswered.check_loaded_once();
  }
}

// The same, where the first attempt is of a process that died: the next one knows nothing of it.
TEST(RuleU, ARefusalIsNotOneOfTheWorkerBefore) {
  for (const bool rest : kCatalogsAreRest) {
    SCOPED_TRACE(rest);
    Unanswered unanswered({{.kind = FaultKind::kUnknownLate, .operation = "catalog.commit", .late_by = 1000},
                           {.at = 2, .kind = FaultKind::kCrashBefore, .operation = "ledger.standing"}},
                          rest);
    EXPECT_NE(unanswered.run(), "");
    EXPECT_EQ(unanswered.commits(), 1);
    EXPECT_EQ(unanswered.run([&] { EXPECT_EQ(unanswered.land_late_requests(), 1); }), "");
    EXPECT_EQ(unanswered.commits(), 2);
    unanswered.check_loaded_once();
  }
}

/// Six commits in a row without an answer. The third one is still under way when the process ends.
std::vector<Fault> six_without_answer() {
  std::vector<Fault> faults(6, {.kind = FaultKind::kUnknownWithout, .operation = "catalog.commit"});
  for (size_t i = 0; i < faults.size(); ++i) faults[i].at = static_cast<int64_t>(i) + 1;
  faults[2].kind = FaultKind::kUnknownLate;
  faults[2].late_by = 1000;
  return faults;
}

// Bug: when no answer comes, the batch is given up in the end, or what its attempts wrote is tidied away: a request that arrives later
// makes the table name files that are gone, or its rows lie beside those of a second load.
TEST(RuleU, WhatHasNoAnswerStaysForALateRequest) {
  for (const bool rest : kCatalogsAreRest) {
    for (const bool lands : {true, false}) {
      SCOPED_TRACE(fmt::format("lands: {}, rest: {}", lands, rest));
      Unanswered unanswered(six_without_answer(), rest);
      EXPECT_THAT(unanswered.run(), HasSubstr("it stays prepared; the next run finishes it"));
      EXPECT_EQ(unanswered.commits(), 6);
      EXPECT_EQ(unanswered.removals_until("the end"), 0);
      EXPECT_THAT(unanswered.world.ids(), UnorderedElementsAre(7));
      if (lands) {
        EXPECT_EQ(unanswered.land_late_requests(), 1);
        EXPECT_THAT(unanswered.world.ids(), UnorderedElementsAre(1, 2, 3, 7));
      }
      EXPECT_EQ(unanswered.run(), "");
      EXPECT_EQ(unanswered.commits(), lands ? 6 : 7) << "found, or published: nothing is given up";
      EXPECT_EQ(unanswered.land_late_requests(), 0) << "it lands beside the one that came first";
      unanswered.check_loaded_once();
    }
  }
}

enum class CarriedOut { kAtOnce, kBeforeTheNext, kNever };

/// Answers 400 to the first commit.
class Answers400 final : public HttpClient {
 public:
  Answers400(std::unique_ptr<HttpClient> client, CarriedOut when) : client_(std::move(client)), when_(when) {}
  void send(HttpRequest request, Context context, HttpDone done) override {
    if (request.method != "POST") return client_->send(std::move(request), std::move(context), std::move(done));
    if (late_) client_->send(*std::exchange(late_, std::nullopt), {}, [](const Result<HttpResponse>&) {});
    if (++posts > 1) return client_->send(std::move(request), std::move(context), std::move(done));
    if (when_ == CarriedOut::kAtOnce) client_->send(request, context, [](const Result<HttpResponse>&) {});
    if (when_ == CarriedOut::kBeforeTheNext) late_ = request;
    done(HttpResponse{400, {}, R"({"error": {"message": "somebody else commits", "type": "ValidationException", "code": 400}})"});
  }
  int posts = 0;

 private:
  const std::unique_ptr<HttpClient> client_;
  const CarriedOut when_;
  std::optional<HttpRequest> late_;
};

// Bug: a 400, which some catalogs answer for plain concurrency, counts as a refusal: the batch is given up, or what the commit wrote is
// deleted, and the commit has landed or lands later.
TEST(RuleU, A400IsNoProof) {
  for (const auto& [when, posts] : {std::pair{CarriedOut::kAtOnce, 1}, {CarriedOut::kBeforeTheNext, 2}, {CarriedOut::kNever, 2}}) {
    SCOPED_TRACE(static_cast<int>(when));
    World world;
    world.use_rest_catalog();
    world.put("first.json", {7});
    world.run();
    world.put("a.json", {1, 2});
    SingleStore stores(world.store);
    Answers400* http = nullptr;
    const auto catalog = world.open_catalog(stores, [&, carried_out = when](std::unique_ptr<HttpClient> client) {
      auto made = std::make_unique<Answers400>(std::move(client), carried_out);
      http = made.get();
      return made;
    });
    auto process = world.start({.catalog = [&](Catalog&) -> Catalog& { return *catalog; }});
    const auto report = process->run();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->run.error, "");
    process.reset();
    EXPECT_EQ(http->posts, posts);
    EXPECT_EQ(world.table().metadata.snapshots.size(), 2u) << "no fence, and no second one";
    EXPECT_THAT(world.ids(), UnorderedElementsAre(1, 2, 7));
    world.check_invariants("after a 400");
  }
}

// Bug: a ledger write that took place and got no answer is taken for a failure, or is done a second time: a batch is claimed and left, is
// numbered twice, or stays prepared after it was confirmed.
TEST(RuleU, ALedgerWriteWithoutAnAnswerIsAskedAgain) {
  for (const char* operation : {"ledger.record_discovered", "ledger.claim", "ledger.pin_target", "ledger.prepare", "ledger.confirm"}) {
    for (const FaultKind kind : kWithAndWithoutEffect) {
      SCOPED_TRACE(fmt::format("{} at {}", to_string(kind), operation));
      Unanswered unanswered({{.kind = kind, .operation = operation}}, /*rest=*/false);
      EXPECT_EQ(unanswered.run(), "");
      EXPECT_EQ(unanswered.commits(), 1);
      unanswered.check_loaded_once();
    }
  }
}

}  // namespace
}  // namespace sluice
