// Keys of Parquet objects (rule S), for every ledger.
#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kPrefix = "s3://b/out";

KeyRequest request_for(const ClaimedFile& file) { return {std::string(kPrefix) + file.path + ".parquet", file.path, file.version}; }

KeyClaim claim_key(WorkLedger& work, const Lease& lease, const KeyRequest& request) {
  return must(work.claim_keys(lease, kPrefix, {&request, 1})).at(0);
}

// Prevents: a batch that does not know which batches before it may have written, or may still be writing, the object of this version.
TEST_P(LedgerConformance, AKeyRemembersWhoClaimedItForThisVersion) {
  discover_new({"/a"});
  const ClaimedBatch first = claim(a_);
  const KeyRequest v1 = request_for(first.files[0]);
  KeyClaim claimed = claim_key(a_.work(), first.lease, v1);
  EXPECT_FALSE(claimed.again);
  EXPECT_THAT(claimed.batches, ElementsAre(first.lease.batch));
  claimed = claim_key(a_.work(), first.lease, v1);
  EXPECT_FALSE(claimed.again) << "a claim whose answer got lost is no other one";
  must(a_.work().finish_withdraw(first.lease, "stopped", true));

  const ClaimedBatch second = claim(a_);
  claimed = claim_key(a_.work(), second.lease, v1);
  EXPECT_TRUE(claimed.again);
  EXPECT_THAT(claimed.batches, ElementsAre(first.lease.batch, second.lease.batch));
  must(a_.work().finish_withdraw(second.lease, "stopped", true));

  discover({seen("/a", "v2", "v1")});
  const ClaimedBatch third = claim(a_);
  claimed = claim_key(a_.work(), third.lease, request_for(third.files[0]));
  EXPECT_TRUE(claimed.again);
  EXPECT_THAT(claimed.batches, ElementsAre(third.lease.batch)) << "of this version it is the first";
}

// Prevents: two files, of one ingestion or of two, that write one object in turns.
TEST_P(LedgerConformance, AKeyBelongsToOneFile) {
  discover_new({"/a", "/b"});
  const ClaimedBatch batch = claim(a_);
  KeyRequest a = request_for(batch.files[0]), b = request_for(batch.files[1]);
  b.key = a.key;
  const KeyRequest both[] = {a, b};
  const auto claims = must(a_.work().claim_keys(batch.lease, kPrefix, both));
  EXPECT_THAT(claims[0].owner, IsEmpty());
  EXPECT_THAT(claims[1].owner, HasSubstr("/a of ingestion orders"));

  Ingestion other;
  other.name = "others";
  other.table = {.catalog = "local", .ns = {"db"}, .name = "others"};
  const IngestionId orders = std::exchange(ingestion_, must(a_.handle->registry().put_ingestion(other)).id);
  run_ = start_run(a_);
  discover_new({"/a"});
  const ClaimedBatch of_other = claim(a_);
  EXPECT_THAT(claim_key(a_.work(), of_other.lease, a).owner, HasSubstr("ingestion orders"));
  must(a_.work().finish_withdraw(batch.lease, "stopped", true));
  must(a_.work().forget_all(orders, {}, 0));
  EXPECT_THAT(claim_key(a_.work(), of_other.lease, a).owner, IsEmpty()) << "keys of an ingestion that forgot its files are free";
}

// Prevents: a worker that lost its batch claims keys in its name; files that are remembered as done below another prefix.
TEST_P(LedgerConformance, KeysAreClaimedByTheHolderBelowOnePrefix) {
  discover_new({"/a"});
  const ClaimedBatch batch = claim(a_);
  const KeyRequest key = request_for(batch.files[0]);
  Lease stale = batch.lease;
  --stale.epoch;
  EXPECT_THAT(a_.work().claim_keys(stale, kPrefix, {&key, 1}), FailsWith(ErrorCode::kConflict));
  must(a_.work().claim_keys(batch.lease, kPrefix, {&key, 1}));
  EXPECT_THAT(a_.work().claim_keys(batch.lease, "s3://b/elsewhere", {&key, 1}), FailsWith(ErrorCode::kInvalidInput));
  prepare(a_, batch);
  EXPECT_THAT(a_.work().claim_keys(batch.lease, kPrefix, {&key, 1}), FailsWith(ErrorCode::kConflict));
}

// Prevents: objects that a rebuilt ledger knows as done, and whose keys it gives to the next file that asks, or takes for somebody else's.
TEST_P(LedgerConformance, AdoptedObjectsHaveTheirKeys) {
  const BatchId lost(new_uuid());
  const std::vector<AdoptedFile> objects = {{"/a", "v0", lost, RowRange{"s3://b/out/a.parquet", 0, 5}, std::string(kPrefix)}};
  for (int round = 0; round < 2; ++round) must(a_.work().adopt(ingestion_, std::vector{lost}, objects, 0));
  discover_new({"/a", "/b"});
  const ClaimedBatch batch = claim(a_);
  const KeyRequest requests[] = {{"s3://b/out/a.parquet", "/a", "v1"}, {"s3://b/out/a.parquet", "/b", "v1"}};
  const auto claims = must(a_.work().claim_keys(batch.lease, kPrefix, requests));
  EXPECT_THAT(claims[0].owner, IsEmpty());
  EXPECT_TRUE(claims[0].again);
  EXPECT_THAT(claims[1].owner, HasSubstr("/a of ingestion orders"));
}

// Prevents: an inventory whose states do not belong together, or that leaves out files behind the first page.
TEST_P(LedgerConformance, EveryFileIsVisitedOnceInOrder) {
  std::vector<std::string> paths;
  for (int i = 0; i < 2500; ++i) paths.push_back("/" + std::to_string(10'000 + i));
  discover_new(paths);
  std::vector<std::string> visited;
  must(a_.handle->history().visit_files(ingestion_, [&](const FileRecord& file) -> Result<void> {
    visited.push_back(file.path);
    return {};
  }));
  EXPECT_EQ(visited, paths);
  const auto stop = [](const FileRecord&) -> Result<void> { return fail(ErrorCode::kCancelled, "enough"); };
  EXPECT_THAT(a_.handle->history().visit_files(ingestion_, stop), FailsWith(ErrorCode::kCancelled));
}

}  // namespace
}  // namespace sluice
