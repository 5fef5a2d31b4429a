#include "config/sealing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "config/access_token.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

class SealingTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "sealing_XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/sluice.key"; }

  std::string folder_;
};

// Prevents: secrets that cannot be read again, that lie in the ledger in clear, or that look alike where they are alike.
TEST(Sealing, OpensWhatItSealed) {
  const SealingKey key = SealingKey::make();
  const std::string sealed = key.seal("minioadmin", "ingestion-1");
  EXPECT_THAT(sealed, Not(HasSubstr("minioadmin")));
  EXPECT_EQ(key.open(sealed, "ingestion-1").value(), "minioadmin");
  EXPECT_NE(key.seal("minioadmin", "ingestion-1"), sealed);
  EXPECT_EQ(key.open(key.seal("", "x"), "x").value(), "");
}

// Prevents: a row's secrets used by another ingestion, or changed bytes taken for secrets.
TEST(Sealing, RefusesWhatWasChangedOrMoved) {
  const SealingKey key = SealingKey::make();
  const std::string sealed = key.seal("secret", "ingestion-1");
  EXPECT_EQ(key.open(sealed, "ingestion-2").error().code, ErrorCode::kCorruption);
  for (size_t i = sealed.size() - 68; i < sealed.size(); i += 7) {
    std::string changed = sealed;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_EQ(key.open(changed, "ingestion-1").error().code, ErrorCode::kCorruption) << i;
  }
  EXPECT_EQ(key.open(sealed.substr(0, 30), "ingestion-1").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(key.open("", "ingestion-1").error().code, ErrorCode::kCorruption);
}

// Prevents: a wrong key file that shows as damage nobody can explain.
TEST(Sealing, NamesAWrongKey) {
  const SealingKey one = SealingKey::make(), other = SealingKey::make();
  const auto opened = other.open(one.seal("secret", "i"), "i");
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(opened.error().message, HasSubstr(one.id()));
  EXPECT_THAT(opened.error().message, HasSubstr("SLUICE_KEY_FILE"));
}

// Prevents: a key that is lost at the next start, that others on the machine can read, or a file that is no key.
TEST_F(SealingTest, TheKeyFileIsMadeOnceAndIsPrivate) {
  const SealingKey first = SealingKey::load_or_make(path()).value();
  EXPECT_EQ(SealingKey::load_or_make(path())->id(), first.id());
  struct stat status;
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);

  ::chmod(path().c_str(), 0644);
  EXPECT_THAT(SealingKey::load_or_make(path()).error().message, HasSubstr("chmod 600"));
  ::chmod(path().c_str(), 0600);
  std::ofstream(path()) << "not a key\n";
  EXPECT_THAT(SealingKey::load_or_make(path()).error().message, HasSubstr("holds no sealing key"));
}

// Prevents: a secret property that stays in the definition, one that is lost on the way, open ones that are sealed needlessly.
TEST(Sealing, SourcesKeepTheirOpenProperties) {
  const SealingKey key = SealingKey::make();
  Ingestion ingestion;
  ingestion.id = IngestionId("i");
  ingestion.sources = {{.id = SourceId("a"), .store = {{"s3.secret-access-key", "hush"}, {"s3.endpoint", "http://s3"}}},
                       {.id = SourceId("b"), .store = {{"s3.access-key-id", "name"}}}};
  seal_sources(key, ingestion);
  Ingestion stored = parse_ingestion(to_json(ingestion)).value();
  stored.sealed = ingestion.sealed;
  EXPECT_EQ(stored.sources[0].store, (Properties{{"s3.endpoint", "http://s3"}}));
  ASSERT_TRUE(open_sources(key, stored));
  EXPECT_EQ(stored.sources[0].store, ingestion.sources[0].store);
  EXPECT_EQ(stored.sources[1].store, ingestion.sources[1].store);

  Ingestion local;
  local.sources = {{.id = SourceId("a")}};
  seal_sources(key, local);
  EXPECT_EQ(local.sealed, "");
}

// Prevents: tokens that open other doors, revoked ones that still do, the token itself in the ledger's record.
TEST(AccessToken, OpensOnlyWithItsOwnSecret) {
  NewToken token = make_access_token("acme", "ci");
  const auto presented = parse_access_token(token.text).value();
  EXPECT_EQ(presented.id, token.record.id);
  EXPECT_EQ(token.record.tenant, "acme");
  EXPECT_EQ(token.record.secret_hash.find(presented.secret), std::string::npos);
  EXPECT_TRUE(opens(token.record, presented.secret));
  EXPECT_FALSE(opens(token.record, parse_access_token(make_access_token("acme", "ci").text)->secret));
  EXPECT_FALSE(opens(token.record, ""));
  token.record.revoked_at = Timestamp{1};
  EXPECT_FALSE(opens(token.record, presented.secret));
  for (const char* odd : {"", "slu_", "slu_1_2", "Bearer x", "slu_0011223344556677_00112233445566778899aabbccddeeff0"}) {
    EXPECT_EQ(parse_access_token(odd).has_value(), false) << odd;
  }
}

}  // namespace
}  // namespace sluice
