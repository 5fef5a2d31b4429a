#include "faulty_ledger.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

/// Notes which operations reached it; all succeed with empty answers.
class NotingLedger final : public WorkLedger, public Registry {
 public:
  class Files final : public KnownFiles {
   public:
    explicit Files(std::vector<std::string>& calls) : calls_(calls) {}
    Result<std::optional<KnownFile>> next() override {
      calls_.push_back("ledger.known_files.next");
      return std::nullopt;
    }

   private:
    std::vector<std::string>& calls_;
  };

  template <class T>
  Result<T> note(const char* name) {
    calls.push_back(name);
    return Result<T>();
  }

  LedgerId ledger_id() const override { return LedgerId("l"); }
  Result<std::unique_ptr<KnownFiles>> known_files(const IngestionId&, const SourceId&) override {
    calls.push_back("ledger.known_files");
    return std::make_unique<Files>(calls);
  }
  Result<std::unique_ptr<KnownFiles>> known_members(const IngestionId&, const SourceId&, const std::string&) override {
    calls.push_back("ledger.known_members");
    return std::make_unique<Files>(calls);
  }
  void note_in_hand(const Lease&, int, std::string_view) override { calls.push_back("ledger.note_in_hand"); }
  Result<DiscoverResult> record_discovered(const DiscoverRequest&, std::span<const Seen>) override {
    return note<DiscoverResult>("ledger.record_discovered");
  }
  Result<std::optional<ClaimedBatch>> claim(const ClaimRequest&) override { return note<std::optional<ClaimedBatch>>("ledger.claim"); }
  Result<ClaimedBatch> open_untracked(const ClaimRequest&) override { return note<ClaimedBatch>("ledger.open_untracked"); }
  Result<Lease> renew(const Lease&, std::chrono::microseconds) override { return note<Lease>("ledger.renew"); }
  Result<void> pin_target(const Lease&, const TargetPin&) override { return note<void>("ledger.pin_target"); }
  Result<std::vector<KeyClaim>> claim_keys(const Lease&, std::string_view, std::span<const KeyRequest>) override {
    return note<std::vector<KeyClaim>>("ledger.claim_keys");
  }
  Result<int64_t> prepare(const Lease&, const PreparedBatch&, std::span<const FileResult>) override {
    return note<int64_t>("ledger.prepare");
  }
  Result<Standing> standing(const Lease&) override { return note<Standing>("ledger.standing"); }
  Result<void> confirm(const Lease&, const Published&) override { return note<void>("ledger.confirm"); }
  Result<void> start_withdraw(const Lease&, std::string_view) override { return note<void>("ledger.start_withdraw"); }
  Result<void> finish_withdraw(const Lease&, std::string_view, bool) override { return note<void>("ledger.finish_withdraw"); }
  Result<std::optional<TakenOver>> take_over(const IngestionId&, const WorkerId&, std::chrono::microseconds) override {
    return note<std::optional<TakenOver>>("ledger.take_over");
  }
  Result<std::vector<BatchRecord>> batches_to_sweep(const IngestionId&) override {
    return note<std::vector<BatchRecord>>("ledger.batches_to_sweep");
  }
  Result<void> mark_swept(const BatchId&) override { return note<void>("ledger.mark_swept"); }
  Result<std::optional<BatchRecord>> find_batch(const BatchId&) override { return note<std::optional<BatchRecord>>("ledger.find_batch"); }
  Result<std::optional<BatchRecord>> last_committed(const IngestionId&, std::string_view) override {
    return note<std::optional<BatchRecord>>("ledger.last_committed");
  }
  Result<std::optional<TargetPin>> last_target(const IngestionId&) override { return note<std::optional<TargetPin>>("ledger.last_target"); }
  Result<int64_t> highest_seq(const IngestionId&) override { return note<int64_t>("ledger.highest_seq"); }
  Result<std::vector<BatchRecord>> live_batches(const IngestionId&) override {
    return note<std::vector<BatchRecord>>("ledger.live_batches");
  }
  Result<Outstanding> outstanding(const IngestionId&, const RunId&, int) override { return note<Outstanding>("ledger.outstanding"); }
  Result<int64_t> retry(const IngestionId&, std::span<const std::string>) override { return note<int64_t>("ledger.retry"); }
  Result<int64_t> release_waiting(const IngestionId&) override { return note<int64_t>("ledger.release_waiting"); }
  Result<int64_t> forget(const IngestionId&, std::span<const std::string>) override { return note<int64_t>("ledger.forget"); }
  Result<int64_t> forget_all(const IngestionId&, std::span<const BatchId>, int64_t) override { return note<int64_t>("ledger.forget_all"); }
  Result<void> adopt(const IngestionId&, std::span<const BatchId>, std::span<const AdoptedFile>, int64_t) override {
    return note<void>("ledger.adopt");
  }
  Result<int64_t> count_adopted(const IngestionId&) override { return note<int64_t>("ledger.count_adopted"); }
  Result<std::vector<EndedFile>> ended_files(const IngestionId&, const SourceId&, int, std::span<const std::string>) override {
    return note<std::vector<EndedFile>>("ledger.ended_files");
  }
  Result<void> record_disposed(const IngestionId&, const SourceId&, std::span<const EndedFile>) override {
    return note<void>("ledger.record_disposed");
  }
  Result<Ingestion> put_ingestion(const Ingestion&) override { return note<Ingestion>("registry.put_ingestion"); }
  Result<std::optional<Ingestion>> find_ingestion(std::string_view, std::string_view) override {
    return note<std::optional<Ingestion>>("registry.find_ingestion");
  }
  Result<std::vector<Ingestion>> ingestions(std::string_view) override { return note<std::vector<Ingestion>>("registry.ingestions"); }
  Result<void> set_status(const IngestionId&, std::string_view) override { return note<void>("registry.set_status"); }
  Result<void> delete_ingestion(const IngestionId&) override { return note<void>("registry.delete_ingestion"); }
  Result<RunRecord> start_run(const IngestionId&, Trigger, const WorkerId&) override { return note<RunRecord>("registry.start_run"); }
  Result<void> add_to_run(const RunId&, const RunMetrics&, const std::vector<std::string>&) override {
    return note<void>("registry.add_to_run");
  }
  Result<RunRecord> finish_run(const RunId&, RunState, std::string_view) override { return note<RunRecord>("registry.finish_run"); }
  Result<int64_t> close_dead_runs(const IngestionId&) override { return note<int64_t>("registry.close_dead_runs"); }
  std::vector<std::string> calls;
};

using Operation = std::function<Result<void>(WorkLedger&, Registry&)>;

template <class T>
Result<void> outcome(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

const std::vector<std::pair<std::string, Operation>>& operations() {
  static const std::vector<std::pair<std::string, Operation>> all = {
      {"ledger.known_files", [](WorkLedger& l, Registry&) { return outcome(l.known_files({}, {})); }},
      {"ledger.known_members", [](WorkLedger& l, Registry&) { return outcome(l.known_members({}, {}, {})); }},
      {"ledger.record_discovered", [](WorkLedger& l, Registry&) { return outcome(l.record_discovered({}, {})); }},
      {"ledger.claim", [](WorkLedger& l, Registry&) { return outcome(l.claim({})); }},
      {"ledger.open_untracked", [](WorkLedger& l, Registry&) { return outcome(l.open_untracked({})); }},
      {"ledger.renew", [](WorkLedger& l, Registry&) { return outcome(l.renew({}, {})); }},
      {"ledger.pin_target", [](WorkLedger& l, Registry&) { return outcome(l.pin_target({}, {})); }},
      {"ledger.claim_keys", [](WorkLedger& l, Registry&) { return outcome(l.claim_keys({}, {}, {})); }},
      {"ledger.prepare", [](WorkLedger& l, Registry&) { return outcome(l.prepare({}, {}, {})); }},
      {"ledger.standing", [](WorkLedger& l, Registry&) { return outcome(l.standing({})); }},
      {"ledger.confirm", [](WorkLedger& l, Registry&) { return outcome(l.confirm({}, {})); }},
      {"ledger.start_withdraw", [](WorkLedger& l, Registry&) { return outcome(l.start_withdraw({}, {})); }},
      {"ledger.finish_withdraw", [](WorkLedger& l, Registry&) { return outcome(l.finish_withdraw({}, {}, false)); }},
      {"ledger.take_over", [](WorkLedger& l, Registry&) { return outcome(l.take_over({}, {}, {})); }},
      {"ledger.batches_to_sweep", [](WorkLedger& l, Registry&) { return outcome(l.batches_to_sweep({})); }},
      {"ledger.mark_swept", [](WorkLedger& l, Registry&) { return outcome(l.mark_swept({})); }},
      {"ledger.find_batch", [](WorkLedger& l, Registry&) { return outcome(l.find_batch({})); }},
      {"ledger.last_committed", [](WorkLedger& l, Registry&) { return outcome(l.last_committed({}, {})); }},
      {"ledger.last_target", [](WorkLedger& l, Registry&) { return outcome(l.last_target({})); }},
      {"ledger.highest_seq", [](WorkLedger& l, Registry&) { return outcome(l.highest_seq({})); }},
      {"ledger.live_batches", [](WorkLedger& l, Registry&) { return outcome(l.live_batches({})); }},
      {"ledger.outstanding", [](WorkLedger& l, Registry&) { return outcome(l.outstanding({}, {}, 0)); }},
      {"ledger.retry", [](WorkLedger& l, Registry&) { return outcome(l.retry({}, {})); }},
      {"ledger.release_waiting", [](WorkLedger& l, Registry&) { return outcome(l.release_waiting({})); }},
      {"ledger.forget", [](WorkLedger& l, Registry&) { return outcome(l.forget({}, {})); }},
      {"ledger.forget_all", [](WorkLedger& l, Registry&) { return outcome(l.forget_all({}, {}, 0)); }},
      {"ledger.adopt", [](WorkLedger& l, Registry&) { return outcome(l.adopt({}, {}, {}, 0)); }},
      {"ledger.count_adopted", [](WorkLedger& l, Registry&) { return outcome(l.count_adopted({})); }},
      {"ledger.ended_files", [](WorkLedger& l, Registry&) { return outcome(l.ended_files({}, {}, 3, {})); }},
      {"ledger.record_disposed", [](WorkLedger& l, Registry&) { return outcome(l.record_disposed({}, {}, {})); }},
      {"registry.put_ingestion", [](WorkLedger&, Registry& r) { return outcome(r.put_ingestion({})); }},
      {"registry.find_ingestion", [](WorkLedger&, Registry& r) { return outcome(r.find_ingestion({}, {})); }},
      {"registry.ingestions", [](WorkLedger&, Registry& r) { return outcome(r.ingestions({})); }},
      {"registry.set_status", [](WorkLedger&, Registry& r) { return outcome(r.set_status({}, {})); }},
      {"registry.delete_ingestion", [](WorkLedger&, Registry& r) { return outcome(r.delete_ingestion({})); }},
      {"registry.start_run", [](WorkLedger&, Registry& r) { return outcome(r.start_run({}, Trigger{}, {})); }},
      {"registry.add_to_run", [](WorkLedger&, Registry& r) { return outcome(r.add_to_run({}, {}, {})); }},
      {"registry.finish_run", [](WorkLedger&, Registry& r) { return outcome(r.finish_run({}, RunState{}, {})); }},
      {"registry.close_dead_runs", [](WorkLedger&, Registry& r) { return outcome(r.close_dead_runs({})); }},
  };
  return all;
}

class FaultyLedgerTest : public ::testing::TestWithParam<std::pair<std::string, Operation>> {};

// A method that forgot its plan, or asks it under another's name, would be left out of every sweep.
TEST_P(FaultyLedgerTest, AsksThePlanBeforeEachOperation) {
  const auto& [name, operation] = GetParam();
  for (const FaultKind kind :
       {FaultKind::kFailBefore, FaultKind::kFailAfter, FaultKind::kUnknownWithout, FaultKind::kCrashBefore, FaultKind::kCrashAfter}) {
    NotingLedger inner;
    FaultPlan plan({.kind = kind});
    FaultyLedger ledger(inner, plan);
    FaultyRegistry registry(inner, plan);
    EXPECT_FALSE(operation(ledger, registry)) << to_string(kind);
    EXPECT_EQ(inner.calls.size(), FaultPlan::happens(kind) ? 1U : 0U) << to_string(kind);
    plan.restart();
    inner.calls.clear();
    EXPECT_TRUE(operation(ledger, registry));
    EXPECT_THAT(inner.calls, ::testing::ElementsAre(name));
    EXPECT_EQ(plan.trace().back(), name);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FaultyLedgerTest, ::testing::ValuesIn(operations()), [](const auto& info) {
  std::string name = info.param.first;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

// The cursor reads on after it was opened: its pages fail by themselves.
TEST(FaultyLedger, CursorsFailInTheMiddle) {
  NotingLedger inner;
  FaultPlan plan({.at = 2, .operation = "ledger.known_files.next"});
  FaultyLedger ledger(inner, plan);
  const auto files = ledger.known_files({}, {}).value();
  EXPECT_TRUE(files->next());
  EXPECT_FALSE(files->next());
}

// Notes never fail, but a dead process writes none.
TEST(FaultyLedger, ADeadProcessNotesNothing) {
  NotingLedger inner;
  FaultPlan plan({.kind = FaultKind::kCrashBefore});
  FaultyLedger ledger(inner, plan);
  ledger.note_in_hand({}, 0, "a");
  EXPECT_FALSE(ledger.highest_seq({}));
  ledger.note_in_hand({}, 0, "b");
  EXPECT_THAT(inner.calls, ::testing::ElementsAre("ledger.note_in_hand"));
  EXPECT_EQ(ledger.ledger_id(), LedgerId("l"));
}

}  // namespace
}  // namespace sluice
