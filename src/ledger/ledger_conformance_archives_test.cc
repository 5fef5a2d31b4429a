// Archives and their members, for every ledger.
#include <algorithm>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

// Prevents: members that cannot be told from files, or are taken for those of a neighbour with a similar name.
TEST_P(LedgerConformance, MembersKnowTheirArchive) {
  discover_new({"/a.zip", "/a.zip!", "/a.zip0", "/b.zip"});
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f"), seen("/a.zip!/dir/ü", "2-f")}));
  EXPECT_EQ(file("/a.zip!/x").archive, "/a.zip");
  EXPECT_EQ(file("/a.zip").archive, "");
  std::vector<std::string> paths;
  const auto cursor = must(a_.work().known_members(ingestion_, source_, "/a.zip"));
  while (auto next = must(cursor->next())) paths.push_back(next->path);
  EXPECT_THAT(paths, ElementsAre("/a.zip!/dir/ü", "/a.zip!/x"));
  const Outstanding left = must(a_.work().outstanding(ingestion_, run_, 3));
  EXPECT_EQ(left.claimable, 6);
  EXPECT_EQ(left.members, 2);
  const ClaimedBatch batch = claim(a_);
  EXPECT_EQ(std::ranges::count(batch.files, "/a.zip", &ClaimedFile::archive), 2);
}

// Prevents: an archive that went back to an earlier version from staying closed, because that version is in a history of loads.
TEST_P(LedgerConformance, AnExpandedArchiveHasNoHistory) {
  discover_new({"/a.zip"});
  load(FileOutcome::kExpanded);
  EXPECT_EQ(file("/a.zip").state, FileState::kSuccess);
  EXPECT_EQ(file("/a.zip").loaded_version, "");
  EXPECT_EQ(file("/a.zip").rows, 0);
  EXPECT_THAT(must(a_.handle->history().loads(ingestion_, "/a.zip")), IsEmpty());
  EXPECT_EQ(run_record().metrics.files_processed, 1);
  EXPECT_EQ(discover({seen("/a.zip", "v2", "v1")}, OnChange::kIgnore).changed, 1);
  load(FileOutcome::kExpanded);
  EXPECT_EQ(discover({seen("/a.zip", "v1", "v2")}).changed, 1);
}

// Prevents: a member that vanished from being lost when its archive comes back as it was.
TEST_P(LedgerConformance, AVanishedMemberReopensItsArchive) {
  discover_new({"/a.zip"});
  load(FileOutcome::kExpanded);
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f")}));
  const ClaimedBatch batch = claim(a_);
  std::vector<FileResult> results = results_of(batch, FileOutcome::kSkipped);
  results[0].error = Error{.code = ErrorCode::kNotFound, .message = "its archive is gone", .type = "Vanished"};
  must(a_.work().prepare(batch.lease, record_of(batch), results));
  must(a_.work().confirm(batch.lease, Published{}));
  EXPECT_EQ(file("/a.zip!/x").version, "");
  EXPECT_EQ(file("/a.zip").version, "");
  EXPECT_EQ(discover({seen("/a.zip", "v1", "")}).changed, 1);
}

// Prevents: a member that its archive holds no more shown as loaded though it never was, or a loaded one as skipped.
TEST_P(LedgerConformance, AMemberThatIsGoneKeepsWhatIsLoadedOfIt) {
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f")}));
  load();
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/y", "1-f")}));
  std::vector<Seen> gone = {seen("/a.zip!/x", "", "1-f"), seen("/a.zip!/y", "", "1-f")};
  for (Seen& one : gone) one.skip_reason = "Vanished";
  const DiscoverResult result = must(a_.work().record_discovered(request, gone));
  EXPECT_EQ(result.ignored, 1);
  EXPECT_EQ(result.skipped, 1);
  EXPECT_EQ(file("/a.zip!/x").state, FileState::kSuccess);
  EXPECT_EQ(file("/a.zip!/y").state, FileState::kSkipped);
  EXPECT_EQ(must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f", "")})).ignored, 1);
  EXPECT_EQ(file("/a.zip!/x").rows, 5);
}

// Prevents: an archive whose reader died, or that could not be opened afterwards, taken for a file that never had members.
TEST_P(LedgerConformance, AnArchiveIsKnownAsOneOnceItsMembersAre) {
  discover_new({"/a.zip", "/b.zip"});
  const ClaimedBatch first = claim(a_);
  EXPECT_EQ(first.files[0].format, "");
  DiscoverRequest request = discovery();
  request.archive = "/a.zip", request.archive_format = "zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f")}));
  must(a_.work().finish_withdraw(first.lease, "its worker died", false));
  EXPECT_EQ(discover({seen("/a.zip", "v2", "v1")}).changed, 1);
  const ClaimedBatch second = claim(a_);
  EXPECT_THAT(second.files,
              ElementsAre(Field(&ClaimedFile::format, "zip"), Field(&ClaimedFile::format, ""), Field(&ClaimedFile::format, "")));
  std::vector<FileResult> results = results_of(second, FileOutcome::kFailed);
  for (FileResult& result : results) result.format.clear();
  must(a_.work().prepare(second.lease, record_of(second), results));
  must(a_.work().confirm(second.lease, Published{}));
  EXPECT_EQ(file("/a.zip").format, "zip");
}

// Prevents: a forgotten archive whose members stay known, and a forgotten member that no archive brings back.
TEST_P(LedgerConformance, ForgettingAnArchiveForgetsItsMembers) {
  discover_new({"/a.zip", "/b"});
  load(FileOutcome::kExpanded);
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f"), seen("/a.zip!/y", "2-f")}));
  EXPECT_EQ(must(a_.work().forget(ingestion_, std::vector<std::string>{"/a.zip!/x"})), 1);
  EXPECT_EQ(file("/a.zip").version, "");
  EXPECT_EQ(must(a_.work().forget(ingestion_, std::vector<std::string>{"/a.zip"})), 2);
  EXPECT_FALSE(find("/a.zip!/y"));
  EXPECT_TRUE(find("/b"));
}

}  // namespace
}  // namespace sluice
