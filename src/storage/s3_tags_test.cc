// Tags of objects in S3, against a server whose answers each test writes.
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/scripted_server.h"
#include "storage/memory_store.h"
#include "storage/s3_store.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// One object with its tags, as the body of the last PUT.
class S3TagsTest : public ::testing::Test {
 protected:
  S3TagsTest() : server_([this](const ServedRequest& request) { return serve(request); }), http_(make_http_client({}).value()) {
    S3Options options;
    options.endpoint = server_.url();
    options.path_style = true;
    options.credentials = {"id", "secret"};
    store_.emplace(std::move(options), AwsSettings::load([](std::string_view) { return std::nullopt; }).value(), *http_, clock_);
  }

  ServedAnswer serve(const ServedRequest& request) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(request.method + " " + request.target);
    if (request.method == "HEAD") return {.headers = {{"ETag", "\"v1\""}}};
    if (request.method == "GET") return read_;
    if (request.header("content-md5").empty()) return {.status = 400};
    if (written_.status == 200) tags_ = request.body;
    return written_;
  }
  Result<void> tag(const std::string& version = "v1") { return store_->tag({"s3://b/in/a b.json", version}, {"sluice", "done"}, context_); }

  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::string tags_;
  ServedAnswer read_, written_;
  ScriptedServer server_;
  std::unique_ptr<HttpClient> http_;
  SystemClock clock_;
  Context context_;
  std::optional<S3Store> store_;
};

// Tags of others decide over cost and lifetime of objects: PutObjectTagging replaces them all, so they must be among the new ones.
TEST_F(S3TagsTest, KeepsTheOtherTags) {
  read_.body =
      "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>team</Key><Value>a&amp;b</Value></Tag>"
      "<Tag><Key>sluice</Key><Value>failed</Value></Tag><Tag><Key>empty</Key><Value></Value></Tag></TagSet></Tagging>";
  ASSERT_TRUE(tag());
  EXPECT_THAT(calls_, ElementsAre("GET /b/in/a%20b.json?tagging", "HEAD /b/in/a%20b.json", "PUT /b/in/a%20b.json?tagging"));
  EXPECT_THAT(tags_, HasSubstr("<TagSet><Tag><Key>team</Key><Value>a&amp;b</Value></Tag><Tag><Key>sluice</Key><Value>done</Value></Tag>"
                               "<Tag><Key>empty</Key><Value></Value></Tag></TagSet>"));
}

// An object without tags is the normal case, and stores answer it in two ways.
TEST_F(S3TagsTest, TagsObjectsWithoutTags) {
  for (const ServedAnswer& none : {ServedAnswer{.body = "<Tagging><TagSet/></Tagging>"},
                                   ServedAnswer{.status = 404, .body = "<Error><Code>NoSuchTagSet</Code></Error>"}}) {
    read_ = none;
    tags_.clear();
    ASSERT_TRUE(tag());
    EXPECT_THAT(tags_, HasSubstr("<TagSet><Tag><Key>sluice</Key><Value>done</Value></Tag></TagSet>"));
  }
}

// A version that nobody has loaded must not be called done.
TEST_F(S3TagsTest, LeavesAnotherVersionAlone) {
  read_.body = "<Tagging><TagSet/></Tagging>";
  EXPECT_EQ(tag("v0").error().code, ErrorCode::kConflict);
  EXPECT_EQ(tags_, "");
}

// Nothing is written where the tag is there already; a refusal names the object and what was refused.
TEST_F(S3TagsTest, SaysWhatWasRefused) {
  read_.body = "<Tagging><TagSet><Tag><Key>sluice</Key><Value>done</Value></Tag></TagSet></Tagging>";
  written_ = {.status = 403, .body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"};
  EXPECT_TRUE(tag());
  read_.body = "<Tagging><TagSet/></Tagging>";
  EXPECT_THAT(tag().error().message, HasSubstr("s3://b/in/a b.json: tagging: 403 AccessDenied"));
  read_ = {.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"};
  EXPECT_EQ(tag().error().code, ErrorCode::kNotFound);
}

// A store without tags says so, and does not look as if it had done it.
TEST(ObjectTags, AreRefusedByOtherStores) {
  ManualClock clock;
  MemoryStore store(clock);
  Context context;
  EXPECT_EQ(store.tag({"mem://b/k", "1"}, {"sluice", "done"}, context).error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace sluice
