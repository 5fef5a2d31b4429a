// What every ledger must do: a fixture over a world of workers that share one ledger. The tests are in ledger_conformance_*_test.cc; an
// implementation joins with INSTANTIATE_TEST_SUITE_P(Name, LedgerConformance, testing::Values(make_world)). Tests only.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ledger/history.h"
#include "ledger/registry.h"
#include "ledger/run_queue.h"
#include "ledger/service_records.h"
#include "ledger/work_ledger.h"

namespace sluice {

/// One worker's view of the shared ledger. Dropping it is the worker's death: nothing is cleaned up.
class LedgerHandle {
 public:
  virtual ~LedgerHandle() = default;
  virtual WorkLedger& work() = 0;
  virtual Registry& registry() = 0;
  virtual RunQueue& queue() = 0;
  virtual ServiceRecords& service() = 0;
  virtual History& history() = 0;
};

/// A ledger that begins empty, and its clock.
class LedgerWorld {
 public:
  virtual ~LedgerWorld() = default;
  virtual std::unique_ptr<LedgerHandle> open(const WorkerId& worker) = 0;
  /// How many steps of a random walk are worth their time here.
  virtual int walk_steps() const { return 500; }
  ManualClock& clock() { return clock_; }

 private:
  ManualClock clock_;
};

/// Null where the server it needs is not there: its tests are skipped.
using LedgerWorldMaker = std::function<std::unique_ptr<LedgerWorld>()>;

/// The value, or an exception that shows the error: for steps that are not what the test is about.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(std::string(to_string(result.error().code)) + ": " + result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

MATCHER_P(FailsWith, code, "fails with " + std::string(to_string(code))) {
  if (arg.has_value()) {
    *result_listener << "which succeeded";
    return false;
  }
  *result_listener << "which is " << to_string(arg.error().code) << ": " << arg.error().message;
  return arg.error().code == code;
}

class LedgerConformance : public testing::TestWithParam<LedgerWorldMaker> {
 protected:
  static constexpr std::chrono::microseconds kLease = std::chrono::minutes(5);
  static constexpr std::string_view kTableUuid = "0190-table";

  struct Worker {
    WorkerId id;
    std::unique_ptr<LedgerHandle> handle;

    WorkLedger& work() const { return handle->work(); }
    void die() { handle.reset(); }
  };

  void SetUp() override {
    world_ = GetParam()();
    if (world_ == nullptr) GTEST_SKIP() << "its server is not there";
    a_ = join("a");
    Ingestion definition;
    definition.name = "orders";
    definition.table = {.catalog = "local", .ns = {"db"}, .name = "orders"};
    ingestion_ = must(a_.handle->registry().put_ingestion(definition)).id;
    run_ = start_run(a_);
  }

  Worker join(const std::string& name) { return {WorkerId(name), world_->open(WorkerId(name))}; }
  RunId start_run(Worker& worker) { return must(worker.handle->registry().start_run(ingestion_, Trigger::kCli, worker.id)).id; }

  static Seen seen(const std::string& path, const std::string& version, std::optional<std::string> known = {}) {
    return {.file = {.path = path, .version = version, .size_bytes = 10, .modified_at = Timestamp{1'600'000'000'000'000}},
            .known_version = known};
  }
  DiscoverResult discover(const std::vector<Seen>& files, OnChange on_change = OnChange::kAppend) {
    return must(a_.work().record_discovered(discovery(on_change), files));
  }
  DiscoverRequest discovery(OnChange on_change = OnChange::kAppend) const {
    return {.ingestion = ingestion_, .source = source_, .run = run_, .on_change = on_change};
  }
  void discover_new(const std::vector<std::string>& paths) {
    std::vector<Seen> files;
    for (const std::string& path : paths) files.push_back(seen(path, "v1"));
    ASSERT_EQ(discover(files).added, std::ssize(paths));
  }

  ClaimRequest request(const Worker& worker, const RunId& run) const {
    return {.ingestion = ingestion_, .run = run, .worker = worker.id, .batch = BatchId(new_uuid()), .lease = kLease};
  }
  std::optional<ClaimedBatch> try_claim(const Worker& worker) { return must(worker.work().claim(request(worker, run_))); }
  ClaimedBatch claim(const Worker& worker) {
    auto claimed = try_claim(worker);
    if (!claimed) throw std::runtime_error("nothing to claim");
    return *std::move(claimed);
  }

  static TargetPin pin() {
    return {.catalog_uri = "sqlite:c.db#local",
            .warehouse = "/w",
            .table = "db.orders",
            .table_uuid = std::string(kTableUuid),
            .table_location = "/w/t"};
  }
  static PreparedBatch record_of(const ClaimedBatch& batch) {
    return {.batch = batch.lease.batch,
            .ingestion = batch.lease.ingestion,
            .run = batch.run,
            .snapshot_id = 77,
            .tracked = batch.tracked,
            .target = pin(),
            .objects = {{"/w/t/data/1.parquet", 100, "data"}},
            .rows = 5,
            .sink_record = "{}"};
  }
  static FileResult result_of(const ClaimedFile& file, FileOutcome outcome) {
    FileResult result{.file = file, .outcome = outcome, .duration_ms = 3, .format = "json", .content_hash = "hash-" + file.version};
    if (outcome == FileOutcome::kLoaded) {
      result.rows = 5;
      result.bytes_read = file.size_bytes;
      result.ranges = {{"/w/t/data/1.parquet", 0, 5}};
    }
    if (outcome == FileOutcome::kFailed) result.error = Error{.message = "line 2: broken", .type = "ParseError", .line = 2, .byte = 17};
    if (outcome == FileOutcome::kSkipped) result.error = Error{.message = "other header", .type = "SchemaMismatch"};
    if (outcome == FileOutcome::kReleased) result.error = Error{.message = "gone on", .type = "ChangedWhileRead"};
    if (outcome == FileOutcome::kRefused) result.error = Error{.message = "its content changed", .type = "Changed"};
    return result;
  }
  static std::vector<FileResult> results_of(const ClaimedBatch& batch, FileOutcome outcome) {
    std::vector<FileResult> results;
    for (const ClaimedFile& file : batch.files) results.push_back(result_of(file, outcome));
    return results;
  }
  int64_t prepare(const Worker& worker, const ClaimedBatch& batch, FileOutcome outcome = FileOutcome::kLoaded) {
    return must(worker.work().prepare(batch.lease, record_of(batch), results_of(batch, outcome)));
  }
  static Published published(int64_t sequence_number = 1) { return {.snapshot_id = 77, .sequence_number = sequence_number}; }

  /// Claims what there is and takes it to its end.
  void load(FileOutcome outcome = FileOutcome::kLoaded) {
    const ClaimedBatch batch = claim(a_);
    prepare(a_, batch, outcome);
    must(a_.work().confirm(batch.lease, published()));
  }

  std::optional<FileRecord> find(const std::string& path) {
    const FilePage page = must(a_.handle->history().files({.ingestion = ingestion_, .path = path}));
    return page.files.empty() ? std::nullopt : std::optional(page.files.front());
  }
  FileRecord file(const std::string& path) {
    auto found = find(path);
    if (!found) throw std::runtime_error("the ledger does not know " + path);
    return *std::move(found);
  }
  BatchState state_of(const BatchId& batch) { return must(a_.work().find_batch(batch)).value().state; }
  RunRecord run_record() { return must(a_.handle->history().run(run_.text)).value(); }
  std::vector<KnownFile> known() {
    std::vector<KnownFile> files;
    const auto cursor = must(a_.work().known_files(ingestion_, source_));
    while (auto next = must(cursor->next())) files.push_back(*std::move(next));
    return files;
  }

  std::unique_ptr<LedgerWorld> world_;
  Worker a_;
  IngestionId ingestion_;
  SourceId source_{"live"};
  RunId run_;
};

}  // namespace sluice
