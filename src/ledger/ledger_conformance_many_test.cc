// Many files in one write: ledgers write them in groups, and every file must still get its own.
#include <fmt/format.h>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

constexpr int kMany = 150;  // several groups of every ledger, and a part of one

std::string path_of(int number) { return fmt::format("/many/{:03}", number); }

// Prevents: files lost or doubled where one group ends and the next begins; counts that take a known file for a new one, or a skipped one
// for one to load; a text of one row in another.
TEST_P(LedgerConformance, RecordsEachOfManyFiles) {
  for (int i = 0; i < kMany; i += 10) discover({seen(path_of(i), "before")});
  std::vector<Seen> files;
  for (int i = 0; i < kMany; ++i) {
    files.push_back(seen(path_of(i), fmt::format("v{}", i)));
    if (i % 3 == 1) files.back().skip_reason = "Baseline", files.back().skip_message = fmt::format("old {}", i);
  }
  const DiscoverResult result = discover(files);
  EXPECT_EQ(result.lost_race, 15);
  EXPECT_EQ(result.skipped, 45);  // every third, without the five of them that were known
  EXPECT_EQ(result.added, 90);
  ASSERT_EQ(known().size(), size_t{kMany});
  for (int i = 0; i < kMany; ++i) {
    const FileRecord record = file(path_of(i));
    const bool was_known = i % 10 == 0, skipped = !was_known && i % 3 == 1;
    EXPECT_EQ(record.version, was_known ? "before" : fmt::format("v{}", i));
    EXPECT_EQ(record.state, skipped ? FileState::kSkipped : FileState::kDiscovered) << i;
    EXPECT_EQ(record.error_message, skipped ? fmt::format("old {}", i) : "");
  }
}

// Prevents: a result that reaches another file, or none, where files end differently; a piece of the history under another file's path.
TEST_P(LedgerConformance, GivesEachOfManyFilesItsResult) {
  constexpr FileOutcome kOutcomes[] = {FileOutcome::kLoaded, FileOutcome::kFailed, FileOutcome::kSkipped, FileOutcome::kReleased};
  std::vector<Seen> files;
  for (int i = 0; i < kMany; ++i) files.push_back(seen(path_of(i), fmt::format("v{}", i)));
  discover(files);
  const ClaimedBatch batch = claim(a_);
  ASSERT_EQ(batch.files.size(), size_t{kMany});
  std::vector<FileResult> results;
  for (int i = 0; i < kMany; ++i) {
    FileResult& result = results.emplace_back(result_of(batch.files[static_cast<size_t>(i)], kOutcomes[i % 4]));
    if (i % 4 == 0) result.ranges = {{"/w/t/data/1.parquet", 10 * i, 2}, {"/w/t/data/2.parquet", 10 * i, 3}};
  }
  must(a_.work().prepare(batch.lease, record_of(batch), results));
  must(a_.work().confirm(batch.lease, published()));
  constexpr FileState kStates[] = {FileState::kSuccess, FileState::kFailed, FileState::kSkipped, FileState::kDiscovered};
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(file(path_of(i)).state, kStates[i % 4]) << i;
    EXPECT_EQ(file(path_of(i)).loaded_version, i % 4 == 0 ? fmt::format("v{}", i) : "");
    const auto loads = must(a_.handle->history().loads(ingestion_, path_of(i)));
    ASSERT_EQ(loads.size(), i % 4 == 0 ? 2u : 0u) << i;
    if (loads.empty()) continue;
    EXPECT_EQ(loads[0].range, (RowRange{"/w/t/data/1.parquet", 10 * i, 2}));
    EXPECT_EQ(loads[1].range, (RowRange{"/w/t/data/2.parquet", 10 * i, 3}));
  }
}

// Prevents: files that one run saw and another claims shown under the first, and the other run's own left out of its list.
TEST_P(LedgerConformance, ClaimedFilesBelongToTheRunThatClaimedThem) {
  discover_new({"/a", "/c"});
  run_ = start_run(a_);
  discover_new({"/b"});
  ASSERT_EQ(claim(a_).files.size(), 3u);
  for (const char* path : {"/a", "/b", "/c"}) EXPECT_EQ(file(path).run_id, run_.text) << path;
}

}  // namespace
}  // namespace sluice
