// Which files have ended, and which of them were disposed of, for every ledger.
#include <fmt/format.h>

#include <algorithm>

#include "ledger/ledger_conformance.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int kAttemptsMax = 1;

/// What of one source has ended in a worker's eyes.
struct Ended {
  WorkLedger& work;
  const IngestionId& ingestion;
  const SourceId& source;

  std::vector<EndedFile> files(const std::vector<std::string>& paths) const {
    return must(work.ended_files(ingestion, source, kAttemptsMax, paths));
  }
  /// "/a v1 done", with "!" where it was disposed of.
  std::vector<std::string> texts(const std::vector<std::string>& paths) const {
    std::vector<std::string> texts;
    for (const EndedFile& file : files(paths)) {
      texts.push_back(fmt::format("{} {} {}{}", file.path, file.version, to_string(file.end), file.disposed ? "!" : ""));
    }
    return texts;
  }
  void dispose(const std::vector<std::string>& paths) const { must(work.record_disposed(ingestion, source, files(paths))); }
};

// Prevents: a file taken away before its batch was confirmed, while it is tried again, or at a version that nobody has loaded.
TEST_P(LedgerConformance, AFileEndsDoneOrFailed) {
  const Ended ended{a_.work(), ingestion_, source_};
  discover_new({"/a"});
  EXPECT_THAT(ended.texts({"/a", "/unknown"}), IsEmpty());
  ClaimedBatch batch = claim(a_);
  prepare(a_, batch);
  EXPECT_THAT(ended.texts({"/a"}), IsEmpty());
  must(a_.work().confirm(batch.lease, published()));
  discover_new({"/bad", "/skipped"});
  batch = claim(a_);
  must(a_.work().prepare(batch.lease, record_of(batch),
                         std::vector{result_of(batch.files[0], FileOutcome::kFailed), result_of(batch.files[1], FileOutcome::kSkipped)}));
  must(a_.work().confirm(batch.lease, published()));
  EXPECT_THAT(ended.texts({"/a", "/bad", "/skipped"}), UnorderedElementsAre("/a v1 done", "/bad v1 failed"));
  EXPECT_THAT(must(a_.work().ended_files(ingestion_, source_, 2, std::vector<std::string>{"/bad"})), IsEmpty());
  EXPECT_THAT(must(a_.work().ended_files(ingestion_, SourceId("other"), 1, std::vector<std::string>{"/a"})), IsEmpty());

  EXPECT_EQ(discover({seen("/a", "v2", "v1")}, OnChange::kIgnore).ignored, 1);
  EXPECT_THAT(ended.texts({"/a"}), IsEmpty());
}

// Prevents: tags that are written again by every run, and ones that are missing at a new version or after a retry that succeeded.
TEST_P(LedgerConformance, WhatWasDisposedOfIsRememberedByVersionAndEnd) {
  const Ended ended{a_.work(), ingestion_, source_};
  discover_new({"/a"});
  load(FileOutcome::kFailed);
  ended.dispose({"/a"});
  EXPECT_THAT(ended.texts({"/a"}), ElementsAre("/a v1 failed!"));
  must(a_.work().retry(ingestion_, {}));
  load();
  EXPECT_THAT(ended.texts({"/a"}), ElementsAre("/a v1 done"));
  const auto before = ended.files({"/a"});
  ended.dispose({"/a"});
  EXPECT_THAT(ended.texts({"/a"}), ElementsAre("/a v1 done!"));
  discover({seen("/a", "v2", "v1")});
  load();
  EXPECT_THAT(ended.texts({"/a"}), ElementsAre("/a v2 done"));
  must(a_.work().record_disposed(ingestion_, source_, before));  // by a worker that was slow
  EXPECT_THAT(ended.texts({"/a"}), ElementsAre("/a v2 done"));
}

// Prevents: an archive taken away while members of it wait, or called done although one of them failed.
TEST_P(LedgerConformance, AnArchiveEndsAsItsMembers) {
  const Ended ended{a_.work(), ingestion_, source_};
  discover_new({"/a.zip"});
  load(FileOutcome::kExpanded);
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f"), seen("/a.zip!/y", "1-f")}));
  EXPECT_THAT(ended.texts({"/a.zip"}), IsEmpty());
  const ClaimedBatch batch = claim(a_);
  must(a_.work().prepare(batch.lease, record_of(batch),
                         std::vector{result_of(batch.files[0], FileOutcome::kLoaded), result_of(batch.files[1], FileOutcome::kFailed)}));
  must(a_.work().confirm(batch.lease, published()));
  ended.dispose({"/a.zip"});
  EXPECT_THAT(ended.texts({"/a.zip"}), ElementsAre("/a.zip v1 failed!"));
  must(a_.work().retry(ingestion_, {}));
  EXPECT_THAT(ended.texts({"/a.zip"}), IsEmpty());
  load();
  discover_new({"/a.zip0"});
  EXPECT_THAT(ended.texts({"/a.zip"}), ElementsAre("/a.zip v1 done"));
  ended.dispose({"/a.zip"});
  EXPECT_THAT(ended.texts({"/a.zip"}), ElementsAre("/a.zip v1 done!"));
}

// Prevents: an archive that stays for ever because a member that was loaded from it was taken out since.
TEST_P(LedgerConformance, AMemberThatIsGoneHoldsNoArchive) {
  const Ended ended{a_.work(), ingestion_, source_};
  discover_new({"/a.zip"});
  load(FileOutcome::kExpanded);
  DiscoverRequest request = discovery();
  request.archive = "/a.zip";
  must(a_.work().record_discovered(request, std::vector{seen("/a.zip!/x", "1-f"), seen("/a.zip!/y", "1-f")}));
  load();
  std::vector<Seen> gone = {seen("/a.zip!/x", "", "1-f")};
  gone[0].skip_reason = "Vanished";
  must(a_.work().record_discovered(request, gone));
  EXPECT_THAT(ended.texts({"/a.zip"}), ElementsAre("/a.zip v1 done"));
}

// Prevents: a question about many files that forgets those beyond its first part.
TEST_P(LedgerConformance, ManyFilesAtOnce) {
  const Ended ended{a_.work(), ingestion_, source_};
  std::vector<std::string> paths;
  for (int i = 0; i < 450; ++i) paths.push_back(fmt::format("/{:03}", i));
  discover_new(paths);
  load();
  EXPECT_EQ(ended.files(paths).size(), paths.size());
  ended.dispose(paths);
  EXPECT_EQ(std::ranges::count(ended.files(paths), true, &EndedFile::disposed), std::ssize(paths));
}

}  // namespace
}  // namespace sluice
