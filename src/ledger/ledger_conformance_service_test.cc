// Waiting runs, schedules, tokens and repeated requests, for every ledger.
#include <algorithm>
#include <latch>
#include <thread>

#include "ledger/service_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

// Prevents: a run that is lost between request and worker, or that begins without its options or definition.
TEST_P(ServiceConformance, AWaitingRunIsTakenWithAllItNeeds) {
  const RunRequest request = wanted();
  const RequestedRun made = request_run(request);
  EXPECT_EQ(made.outcome, RequestOutcome::kMade);
  EXPECT_EQ(made.run.value().state, RunState::kPending);
  EXPECT_EQ(must(a_.handle->queue().pending_runs()), 1);
  world_->clock().advance(std::chrono::seconds(5));

  auto taken = must(a_.handle->queue().take_run(a_.id)).value();
  EXPECT_EQ(taken.run.id, request.id);
  EXPECT_EQ(taken.run.state, RunState::kRunning);
  EXPECT_EQ(taken.run.holder, a_.id.text);
  EXPECT_EQ(taken.run.started_at, world_->clock().now());
  EXPECT_EQ(taken.run.trigger, Trigger::kManual);
  EXPECT_EQ(taken.options, request.options);
  EXPECT_EQ(taken.ingestion.name, "orders");
  EXPECT_EQ(taken.ingestion.id, ingestion_);
  EXPECT_EQ(must(a_.handle->queue().pending_runs()), 0);
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id)), std::nullopt);
}

// Prevents: a list of ingestions that is read whole for each of its pages, and pages that skip one of two of the same name or show a
// deleted one.
TEST_P(ServiceConformance, IngestionsComeInPages) {
  const IngestionId b1 = another("b"), b2 = another("b"), gone = another("gone"), paused = another("Zoe");
  must(a_.handle->registry().delete_ingestion(gone));
  must(a_.handle->registry().set_status(paused, "PAUSED"));
  const auto pages = [&](IngestionsQuery query) {
    std::vector<std::string> seen;
    do {
      const IngestionPage page = must(a_.handle->history().ingestion_page(query));
      EXPECT_LE(std::ssize(page.ingestions), query.limit);
      for (const Ingestion& one : page.ingestions) seen.push_back(one.id.text);
      query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    return seen;
  };
  const auto [first, second] = std::minmax(b1.text, b2.text);
  for (const int64_t limit : {1, 2, 4, 100}) {  // in byte order: "Zoe" comes before "b"
    EXPECT_THAT(pages({.tenant = "default", .limit = limit}), ElementsAre(paused.text, first, second, ingestion_.text));
  }
  EXPECT_THAT(pages({.name = "b", .limit = 1}), ElementsAre(first, second));
  EXPECT_THAT(pages({.status = "PAUSED", .limit = 1}), ElementsAre(paused.text));
  EXPECT_THAT(pages({.tenant = "acme"}), IsEmpty());
  EXPECT_EQ(must(a_.handle->history().ingestion_page({.limit = 1})).total, 4);
  EXPECT_EQ(a_.handle->history().ingestion_page({.cursor = "nonsense"}).error().code, ErrorCode::kInvalidInput);
}

// Prevents: a password or a signature in the error of a run, where every reader of the ledger and every backup has it.
TEST_P(ServiceConformance, ErrorsAreStoredWithoutSecrets) {
  const RunId run = start_run(a_);
  const RunRecord failed = must(a_.handle->registry().finish_run(
      run, RunState::kFailed, "GET https://ann:s3cr3t@host/k?X-Amz-Signature=00ff: 403, Authorization: Bearer 0123456789abcdef"));
  EXPECT_EQ(failed.error, "GET https://***@host/k?X-Amz-Signature=*** 403, Authorization: Bearer ***");
}

// Prevents: two runs of one ingestion at once, and a second trigger that does not learn which run keeps it out.
TEST_P(ServiceConformance, AnIngestionHasOneRunAtATime) {
  const RequestedRun first = request_run(wanted());
  RequestedRun second = request_run(wanted());
  EXPECT_EQ(second.outcome, RequestOutcome::kBusy);
  EXPECT_EQ(second.run.value().id, first.run->id);
  must(a_.handle->queue().take_run(a_.id));
  second = request_run(wanted());
  EXPECT_EQ(second.outcome, RequestOutcome::kBusy);
  EXPECT_EQ(second.run.value().state, RunState::kRunning);
  must(a_.handle->registry().finish_run(first.run->id, RunState::kCompleted, ""));
  EXPECT_EQ(request_run(wanted()).outcome, RequestOutcome::kMade);
}

// Prevents: a waiting run that begins while a command line is at work on its ingestion; others must not wait behind it.
TEST_P(ServiceConformance, ARunWaitsForOneThatBeganOtherwise) {
  const IngestionId other = another("other");
  const RequestedRun waiting = request_run(wanted());
  const RunId begun = start_run(a_);
  const RequestedRun behind = request_run({.id = RunId(new_uuid()), .ingestion = other});
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id)).value().run.id, behind.run->id);
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id)), std::nullopt);
  must(a_.handle->registry().finish_run(begun, RunState::kCompleted, ""));
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id)).value().run.id, waiting.run->id);
}

// Prevents: an ingestion that can never run again because the worker of its last run was killed.
TEST_P(ServiceConformance, ADeadWorkersRunFreesItsSlot) {
  Worker b = join("b");
  const RequestedRun first = request_run(wanted());
  must(b.handle->queue().take_run(b.id));
  b.die();
  EXPECT_THAT(must(a_.handle->queue().unfinished()), ElementsAre(Field(&Ingestion::id, ingestion_)));
  EXPECT_EQ(request_run(wanted()).outcome, RequestOutcome::kMade);
  EXPECT_EQ(must(a_.handle->history().run(first.run->id.text)).value().state, RunState::kFailed);
  EXPECT_THAT(must(a_.handle->queue().unfinished()), IsEmpty());
}

// Prevents: a client that repeats its request after a lost answer and gets 409 for its own run, or a second run.
TEST_P(ServiceConformance, TheSameRequestAgainMakesOneRun) {
  const RunRequest request = wanted();
  request_run(request);
  const RequestedRun again = request_run(request);
  EXPECT_EQ(again.outcome, RequestOutcome::kMade);
  EXPECT_EQ(again.run.value().id, request.id);
  EXPECT_EQ(must(a_.handle->history().run_count(ingestion_)), 2);
}

// Prevents: runs of paused or deleted ingestions, and a queue that grows without end.
TEST_P(ServiceConformance, RefusesRunsThatMayNotBe) {
  must(a_.handle->registry().set_status(ingestion_, "PAUSED"));
  EXPECT_EQ(request_run(wanted()).outcome, RequestOutcome::kNotActive);
  must(a_.handle->registry().set_status(ingestion_, "ACTIVE"));
  RunRequest request = wanted();
  request.pending_max = 0;
  EXPECT_EQ(request_run(request).outcome, RequestOutcome::kQueueFull);
  must(a_.handle->registry().delete_ingestion(ingestion_));
  EXPECT_EQ(request_run(wanted()).outcome, RequestOutcome::kNotActive);
  request.ingestion = IngestionId("none");
  EXPECT_THAT(a_.handle->queue().request_run(request), FailsWith(ErrorCode::kNotFound));
}

// Prevents: a cancelled run that begins after all, and a worker that never hears that it shall stop.
TEST_P(ServiceConformance, RunsAreCancelledWhereverTheyAre) {
  const RunId waiting = request_run(wanted()).run->id;
  EXPECT_EQ(must(a_.handle->queue().cancel_run(waiting)).state, RunState::kCancelled);
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id)), std::nullopt);
  EXPECT_THAT(a_.handle->queue().cancel_run(waiting), FailsWith(ErrorCode::kConflict));

  const RunId running = request_run(wanted()).run->id;
  must(a_.handle->queue().take_run(a_.id));
  Worker b = join("b");
  EXPECT_FALSE(must(a_.handle->queue().cancel_requested(running)));
  EXPECT_EQ(must(b.handle->queue().cancel_run(running)).state, RunState::kRunning);
  EXPECT_TRUE(must(a_.handle->queue().cancel_requested(running)));
  EXPECT_THAT(a_.handle->queue().cancel_run(RunId("none")), FailsWith(ErrorCode::kNotFound));
}

// Prevents: a deletion under a running worker, and a run of a tombstone.
TEST_P(ServiceConformance, DeletingWaitsForRunsAndDropsWaitingOnes) {
  const RunId waiting = request_run(wanted()).run->id;
  must(a_.handle->queue().take_run(a_.id));
  EXPECT_THAT(a_.handle->registry().delete_ingestion(ingestion_), FailsWith(ErrorCode::kConflict));
  must(a_.handle->registry().finish_run(waiting, RunState::kCompleted, ""));
  const RunId next = request_run(wanted()).run->id;
  must(a_.handle->registry().delete_ingestion(ingestion_));
  EXPECT_EQ(must(a_.handle->history().run(next.text)).value().state, RunState::kCancelled);
  EXPECT_THAT(a_.handle->registry().set_status(ingestion_, "ACTIVE"), FailsWith(ErrorCode::kConflict));
}

// Prevents: two servers that both get the slot, or both take the run.
TEST_P(ServiceConformance, RacingServersMakeAndTakeOneRun) {
  constexpr int kServers = 4;
  std::vector<Worker> servers;
  for (int i = 0; i < kServers; ++i) servers.push_back(join("s" + std::to_string(i)));
  std::vector<int> made(kServers), taken(kServers);
  std::latch begin(kServers), all_asked(kServers);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < kServers; ++i) {
      threads.emplace_back([&, i] {
        begin.arrive_and_wait();
        made[i] = must(servers[i].handle->queue().request_run(wanted())).outcome == RequestOutcome::kMade;
        all_asked.arrive_and_wait();
        taken[i] = must(servers[i].handle->queue().take_run(servers[i].id)).has_value();
      });
    }
  }
  EXPECT_EQ(std::count(made.begin(), made.end(), 1), 1);
  EXPECT_EQ(std::count(taken.begin(), taken.end(), 1), 1);
}

// Prevents: a firing that runs twice because two servers saw it, or again after a restart.
TEST_P(ServiceConformance, AFiringMakesOneRun) {
  const Timestamp set_at = world_->clock().now();
  set_schedule("* * * * *");
  EXPECT_EQ(due_from(), set_at);
  const Timestamp due = set_at + std::chrono::minutes(1);
  world_->clock().advance(std::chrono::minutes(2));
  const RequestedRun fired = request_run(wanted(due));
  EXPECT_EQ(fired.outcome, RequestOutcome::kMade);
  EXPECT_EQ(due_from(), due);
  must(a_.handle->queue().cancel_run(fired.run->id));
  EXPECT_EQ(request_run(wanted(due)).outcome, RequestOutcome::kFiredBefore);
}

// Prevents: a firing that is lost because the run before it was still going.
TEST_P(ServiceConformance, AFiringThatFindsTheSlotTakenStaysDue) {
  set_schedule("* * * * *");
  const Timestamp from = due_from().value();
  request_run(wanted());
  EXPECT_EQ(request_run(wanted(from + std::chrono::minutes(1))).outcome, RequestOutcome::kBusy);
  EXPECT_EQ(due_from(), from);
}

// Prevents: a changed or resumed schedule that at once makes up for the time before; a rewritten definition that loses the last firing.
TEST_P(ServiceConformance, AScheduleCountsFromWhenItWasSet) {
  set_schedule("* * * * *");
  const Timestamp first = due_from().value();
  world_->clock().advance(std::chrono::hours(1));
  set_schedule("* * * * *");
  EXPECT_EQ(due_from(), first);
  set_schedule("* * * * *", "Europe/Berlin");
  EXPECT_EQ(due_from(), world_->clock().now());
  must(a_.handle->registry().set_status(ingestion_, "PAUSED"));
  EXPECT_EQ(due_from(), std::nullopt);
  world_->clock().advance(std::chrono::hours(1));
  must(a_.handle->registry().set_status(ingestion_, "ACTIVE"));
  EXPECT_EQ(due_from(), world_->clock().now());
  set_schedule("");
  EXPECT_EQ(due_from(), std::nullopt);
}

// Prevents: secrets that are lost with the next read, that stay in a tombstone, or an upsert that revives a deleted ingestion.
TEST_P(ServiceConformance, SealedSecretsLieBesideTheDefinition) {
  Registry& registry = a_.handle->registry();
  Ingestion definition = must(registry.find_ingestion("default", "orders")).value();
  definition.sealed = "sealed-text";
  must(registry.put_ingestion(definition));
  EXPECT_EQ(must(registry.find_ingestion("default", ingestion_.text))->sealed, "sealed-text");
  request_run(wanted());
  EXPECT_EQ(must(a_.handle->queue().take_run(a_.id))->ingestion.sealed, "sealed-text");
  must(registry.finish_run(must(a_.handle->history().runs({ingestion_, 1})).front().id, RunState::kCompleted, ""));
  must(registry.delete_ingestion(ingestion_));
  EXPECT_EQ(must(registry.find_ingestion("default", ingestion_.text))->sealed, "");
  EXPECT_THAT(registry.put_ingestion(definition), FailsWith(ErrorCode::kConflict));
}

// Prevents: a client that repeats POST /ingestions and gets two; an id that somebody chose for a new ingestion being ignored.
TEST_P(ServiceConformance, AnIngestionMayBringItsId) {
  Ingestion definition = must(a_.handle->registry().find_ingestion("default", "orders")).value();
  definition.id = IngestionId(new_uuid());
  definition.managed_by = "api";
  EXPECT_EQ(must(a_.handle->registry().put_ingestion(definition)).id, definition.id);
  must(a_.handle->registry().put_ingestion(definition));
  EXPECT_EQ(must(a_.handle->registry().ingestions("default")).size(), 2u);
}

// Prevents: one tenant's ingestions shown to another, and an operator without a tenant who sees none.
TEST_P(ServiceConformance, TenantsAreApartUnlessNobodyIsNamed) {
  Registry& registry = a_.handle->registry();
  Ingestion definition = must(registry.find_ingestion("default", "orders")).value();
  definition.id = IngestionId(new_uuid());
  definition.tenant = "acme";
  definition.managed_by = "api";
  must(registry.put_ingestion(definition));
  EXPECT_EQ(must(registry.find_ingestion("default", definition.id.text)), std::nullopt);
  EXPECT_EQ(must(registry.find_ingestion("", definition.id.text))->tenant, "acme");
  EXPECT_EQ(must(registry.ingestions("acme")).size(), 1u);
  EXPECT_EQ(must(registry.ingestions("")).size(), 2u);
}

// Prevents: pages of runs that repeat or leave out one.
TEST_P(ServiceConformance, RunsComeInPages) {
  std::vector<RunId> made = {run_};
  for (int i = 0; i < 4; ++i) {
    made.push_back(start_run(a_));
    must(a_.handle->registry().finish_run(made.back(), RunState::kCompleted, ""));
  }
  std::vector<RunId> seen;
  RunsQuery query{ingestion_, 2};
  while (true) {
    const auto page = must(a_.handle->history().runs(query));
    if (page.empty()) break;
    for (const RunRecord& run : page) seen.push_back(run.id);
    query.before_sequence = page.back().sequence;
  }
  std::reverse(made.begin(), made.end());
  EXPECT_EQ(seen, made);
}

// Prevents: a revoked token that still opens the door, or one tenant's tokens shown to another.
TEST_P(ServiceConformance, TokensAreKeptByTheirHash) {
  ServiceRecords& records = a_.handle->service();
  must(records.add_token({.id = "t1", .tenant = "acme", .name = "ci", .secret_hash = "abc"}));
  must(records.add_token({.id = "t2", .tenant = "other", .name = "", .secret_hash = "def"}));
  const TokenRecord found = must(records.find_token("t1")).value();
  EXPECT_EQ(found.tenant, "acme");
  EXPECT_EQ(found.name, "ci");
  EXPECT_EQ(found.secret_hash, "abc");
  EXPECT_EQ(found.created_at, world_->clock().now());
  EXPECT_EQ(found.revoked_at, std::nullopt);
  EXPECT_THAT(must(records.tokens("acme")), ElementsAre(Field(&TokenRecord::id, "t1")));
  EXPECT_EQ(must(records.tokens("")).size(), 2u);
  must(records.revoke_token("t1"));
  must(records.revoke_token("t1"));
  EXPECT_TRUE(must(records.find_token("t1"))->revoked_at.has_value());
  EXPECT_THAT(records.revoke_token("none"), FailsWith(ErrorCode::kNotFound));
  EXPECT_EQ(must(records.find_token("none")), std::nullopt);
}

// Prevents: a repeated request that is carried out again, one key that answers another request, a key that a crash blocks for good.
TEST_P(ServiceConformance, RepeatedRequestsGetTheirFirstAnswer) {
  ServiceRecords& records = a_.handle->service();
  const IdempotentRequest request{.tenant = "acme", .key = "k", .fingerprint = "f", .made_id = "first"};
  EXPECT_EQ(must(records.begin_request(request)).standing, RequestStanding::kNew);
  IdempotentRequest again = request;
  again.made_id = "second";
  EXPECT_EQ(must(records.begin_request(again)).standing, RequestStanding::kInProgress);
  world_->clock().advance(kRequestStaleAfter);
  RequestMemory memory = must(records.begin_request(again));
  EXPECT_EQ(memory.standing, RequestStanding::kNew);
  EXPECT_EQ(memory.made_id, "first");
  must(records.finish_request("acme", "k", 201, "{}"));
  memory = must(records.begin_request(again));
  EXPECT_EQ(memory.standing, RequestStanding::kAnswered);
  EXPECT_EQ(memory.status, 201);
  EXPECT_EQ(memory.body, "{}");
  again.fingerprint = "g";
  EXPECT_EQ(must(records.begin_request(again)).standing, RequestStanding::kOtherRequest);
  again.tenant = "other";
  EXPECT_EQ(must(records.begin_request(again)).standing, RequestStanding::kNew);
  must(records.drop_request("other", "k"));
  EXPECT_EQ(must(records.begin_request(again)).standing, RequestStanding::kNew);
  world_->clock().advance(std::chrono::seconds(1));
  EXPECT_EQ(must(records.purge_requests(world_->clock().now())), 2);
  EXPECT_EQ(must(records.begin_request(request)).standing, RequestStanding::kNew);
}

}  // namespace
}  // namespace sluice
