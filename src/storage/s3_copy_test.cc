// What a copy in S3 takes over from its object, against a server that keeps what it is told of new objects.
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/scripted_server.h"
#include "storage/s3_store.h"

namespace sluice {
namespace {

constexpr const char* kTagging =
    "<Tagging><TagSet><Tag><Key>team a</Key><Value>x&amp;y=z</Value></Tag><Tag><Key>e</Key><Value></Value></Tag></TagSet></Tagging>";

/// One object, in/a, and the request that began the newest other one.
class S3CopyTest : public ::testing::Test {
 protected:
  S3CopyTest() : server_([this](const ServedRequest& request) { return serve(request); }), http_(make_http_client({}).value()) {
    S3Options options;
    options.endpoint = server_.url();
    options.path_style = true;
    options.credentials = {"id", "secret"};
    options.attempts_max = 1;
    store_.emplace(std::move(options), AwsSettings::load([](std::string_view) { return std::nullopt; }).value(), *http_, clock_);
  }

  ServedAnswer serve(const ServedRequest& request) {
    const std::lock_guard lock(mutex_);
    if (request.target.ends_with("?tagging")) return tagging_;
    if (request.method == "HEAD") return {.headers = headers_, .body = bytes_};
    if (request.target.contains("?partNumber=")) return {.body = "<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>"};
    if (request.target.contains("?uploadId=")) {
      return {.body = "<CompleteMultipartUploadResult><ETag>\"n\"</ETag></CompleteMultipartUploadResult>"};
    }
    if (refuses_tags_ && !request.header("x-amz-tagging").empty())
      return {.status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"};
    begun_ = request;
    return {.headers = {{"ETag", "\"n\""}},
            .body = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"};
  }

  Result<ObjectInfo> copy() { return store_->copy("s3://b/in/a", "s3://b/done/a", {.if_none_match = true}, context_); }

  std::mutex mutex_;
  HttpHeaders headers_ = {{"ETag", "\"e\""}};
  std::string bytes_ = "bytes";
  ServedAnswer tagging_{.body = kTagging};
  bool refuses_tags_ = false;
  ServedRequest begun_;
  ScriptedServer server_;
  std::unique_ptr<HttpClient> http_;
  SystemClock clock_;
  Context context_;
  std::optional<S3Store> store_;
};

// A file that is moved is copied in parts, which take over nothing by themselves: others would find it without its type, its metadata and
// the tags that decide over its cost. The token of who wrote it must not come along, or the copy would look like somebody else's.
TEST_F(S3CopyTest, CarriesWhatTheObjectCarries) {
  const std::map<std::string, std::string> carried = {{"content-type", "text/csv"},  {"content-encoding", "gzip"},
                                                      {"content-language", "de"},    {"content-disposition", "attachment"},
                                                      {"cache-control", "no-store"}, {"x-amz-meta-owner", "me"}};
  headers_.insert(headers_.end(), carried.begin(), carried.end());
  headers_.insert(headers_.end(), {{"X-Amz-Meta-Sluice-Write", "theirs"}, {"X-Amz-Request-Id", "7"}});
  for (const std::string bytes : {"bytes", ""}) {
    bytes_ = bytes;
    const auto copied = copy();
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(begun_.target, bytes.empty() ? "/b/done/a" : "/b/done/a?uploads");
    for (const auto& [name, value] : carried) EXPECT_EQ(begun_.header(name), value) << name;
    EXPECT_NE(begun_.header("x-amz-meta-sluice-write"), "theirs");
    EXPECT_EQ(begun_.header("x-amz-request-id"), "");
    EXPECT_EQ(begun_.header("x-amz-tagging"), "team%20a=x%26y%3Dz&e=");
  }
}

// The service's own tags cannot be written: with them the user's would be lost.
TEST_F(S3CopyTest, LeavesOutTheServicesOwnTags) {
  tagging_ = {.body =
                  "<Tagging><TagSet><Tag><Key>aws:x</Key><Value>1</Value></Tag><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"};
  ASSERT_TRUE(copy());
  EXPECT_EQ(begun_.header("x-amz-tagging"), "k=v");
}

// The copy that proves that a service looks at conditions must not carry metadata twice: a finished upload would be taken for refused.
TEST_F(S3CopyTest, ProvesConditionsWithBytesAlone) {
  const auto upload = store_->start_upload("s3://b/out/a", {.if_none_match = true, .metadata = {{"owner", "me"}}}, context_);
  ASSERT_TRUE(upload);
  const std::string bytes(20 << 20, 'x');
  headers_.emplace_back("x-amz-meta-owner", "me");
  ASSERT_TRUE((*upload)->write(bytes, context_));
  const auto completed = (*upload)->complete(context_);
  ASSERT_FALSE(completed) << "this server ignores conditions";
  EXPECT_EQ(begun_.target, "/b/out/a?uploads");
  EXPECT_EQ(begun_.header("x-amz-meta-owner"), "");
}

// A service without tags, and a key that may not read or write them, must not keep a file from being moved.
TEST_F(S3CopyTest, GoesOnWithoutTags) {
  refuses_tags_ = true;
  EXPECT_TRUE(copy());
  for (const int status : {403, 404, 405, 501}) {
    tagging_ = {.status = status, .body = "<Error><Code>NotToday</Code></Error>"};
    EXPECT_TRUE(copy()) << status;
    EXPECT_EQ(begun_.header("x-amz-tagging"), "");
  }
}

// Tags that could not be read just now are not tags that are not there.
TEST_F(S3CopyTest, WaitsForTagsOfAServiceThatIsAway) {
  for (const auto& [status, code] : {std::pair(503, "SlowDown"), std::pair(400, "ExpiredToken")}) {
    tagging_ = {.status = status, .body = fmt::format("<Error><Code>{}</Code></Error>", code)};
    const auto copied = copy();
    ASSERT_FALSE(copied) << code;
    EXPECT_EQ(copied.error().code, ErrorCode::kUnavailable) << code;
  }
}

}  // namespace
}  // namespace sluice
