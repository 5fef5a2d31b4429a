// S3Store against a server whose answers each test writes: what real servers do on bad days only. What they do on good ones is in
// object_store_test.cc.
#include "storage/s3_store.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/digest.h"
#include "net/percent.h"
#include "net/scripted_server.h"
#include "storage/s3_blob.h"
#include "storage/s3_upload.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string xml_error(const std::string& code, const std::string& message = "no") {
  return fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code><Message>{}</Message></Error>", code, message);
}

/// A small S3: objects with conditions, tokens and multipart uploads, kept as a real one would, and a fault before or after any request.
class S3StoreTest : public ::testing::Test {
 protected:
  struct Object {
    std::string bytes, etag;
    HttpHeaders metadata;
  };
  using Fault = std::function<std::optional<ServedAnswer>(const ServedRequest&)>;

  S3StoreTest() : server_([this](const ServedRequest& request) { return serve(request); }), http_(make_http_client({}).value()) {
    options_.endpoint = server_.url();
    options_.path_style = true;
    options_.credentials = {"id", "secret"};
    options_.retry_delay = 1ms;
    options_.retry_delay_max = 2ms;
  }

  S3Store& store() {
    if (!store_) store_.emplace(options_, AwsSettings::load([](std::string_view) { return std::nullopt; }).value(), *http_, clock_);
    return *store_;
  }

  Result<ObjectInfo> put(const std::string& key, const std::string& bytes, bool if_none_match = true) {
    return store().put("s3://b/" + key, bytes, {.if_none_match = if_none_match}, context_);
  }
  Result<std::string> get(const std::string& key, const std::string& version = "", ByteRange range = {}) {
    return read_now(store(), {"s3://b/" + key, version, range});
  }
  std::vector<std::string> sent(const std::string& method) const {
    std::vector<std::string> targets;
    for (const ServedRequest& request : server_.requests()) {
      if (request.method == method) targets.push_back(request.target);
    }
    return targets;
  }

  ServedAnswer serve(const ServedRequest& request) {
    std::lock_guard lock(mutex_);
    if (before_) {
      if (auto answer = before_(request)) return *answer;
    }
    ServedAnswer answer = carry_out(request);
    if (after_) {
      if (auto fault = after_(request)) return *fault;
    }
    return answer;
  }

  ServedAnswer carry_out(const ServedRequest& request) {
    const size_t question = std::min(request.target.find('?'), request.target.size());
    const std::string key = percent_decode(request.target.substr(std::min(request.target.find('/', 1) + 1, question), question - 3));
    const std::string query = request.target.substr(question);
    if (query == "?tagging") return {.body = "<Tagging><TagSet/></Tagging>"};
    if (query.starts_with("?uploads"))
      return {.body = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"};
    if (query.starts_with("?partNumber=") && !request.header("x-amz-copy-source").empty()) {
      parts_[1] = objects_[percent_decode(request.header("x-amz-copy-source").substr(3))].bytes;
      return {.body = "<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>"};
    }
    if (query.starts_with("?partNumber=")) {
      parts_[std::strtol(query.c_str() + 12, nullptr, 10)] = request.body;
      return {.headers = {{"ETag", "\"p\""}}};
    }
    if (query.starts_with("?uploadId=")) return end_upload(request, key);
    if (request.method == "PUT") return write(request, key, request.body, request.headers);
    const auto at = objects_.find(key);
    if (request.method == "DELETE") {
      objects_.erase(key);
      return {.status = 204};
    }
    if (at == objects_.end()) return {.status = 404, .body = request.method == "HEAD" ? "" : xml_error("NoSuchKey")};
    ServedAnswer answer{.headers = at->second.metadata, .body = at->second.bytes};
    answer.headers.emplace_back("ETag", "\"" + at->second.etag + "\"");
    return answer;
  }

  ServedAnswer end_upload(const ServedRequest& request, const std::string& key) {
    if (parts_.empty()) return {.status = 404, .body = xml_error("NoSuchUpload")};
    std::string bytes;
    for (const auto& [number, part] : parts_) bytes += part;
    parts_.clear();
    if (request.method == "DELETE") return {.status = 204};
    const HttpHeaders headers = {{"if-none-match", request.header("if-none-match")}, {"x-amz-meta-sluice-write", token_of_upload()}};
    ServedAnswer answer = write(request, key, bytes, headers);
    if (answer.status == 200)
      answer.body = "<CompleteMultipartUploadResult><ETag>\"" + objects_[key].etag + "\"</ETag></CompleteMultipartUploadResult>";
    return answer;
  }

  std::string token_of_upload() const {
    std::string token;
    for (const ServedRequest& request : server_.requests()) {
      if (request.target.ends_with("?uploads")) token = request.header("x-amz-meta-sluice-write");
    }
    return token;
  }

  ServedAnswer write(const ServedRequest&, const std::string& key, const std::string& bytes, const HttpHeaders& headers) {
    if (find_header(headers, "if-none-match") == "*" && objects_.contains(key))
      return {.status = 412, .body = xml_error("PreconditionFailed")};
    if (const auto wanted = find_header(headers, "if-match");
        wanted && (!objects_.contains(key) || *wanted != "\"" + objects_[key].etag + "\""))
      return {.status = 412, .body = xml_error("PreconditionFailed")};
    Object& object = objects_[key];
    object.bytes = bytes;
    object.etag = fmt::format("e{}", ++etags_);
    const auto token = find_header(headers, "x-amz-meta-sluice-write");
    if (token) object.metadata = {{"X-Amz-Meta-Sluice-Write", std::string(*token)}};
    return {.headers = {{"ETag", "\"" + object.etag + "\""}}};
  }

  std::mutex mutex_;
  Fault before_, after_;
  std::map<std::string, Object> objects_;
  std::map<int64_t, std::string> parts_;
  int etags_ = 0;
  ScriptedServer server_;
  std::unique_ptr<HttpClient> http_;
  S3Options options_;
  SystemClock clock_;
  Context context_;
  std::optional<S3Store> store_;
};

/// A fault for the first `times` requests of a method whose target contains `part`.
auto first_of(const std::string& method, ServedAnswer answer, int times = 1, const std::string& part = "") {
  return [=, left = times](const ServedRequest& request) mutable -> std::optional<ServedAnswer> {
    if (request.method != method || !request.target.contains(part) || left == 0) return std::nullopt;
    --left;
    return answer;
  };
}

// Throttling is daily life: a run that fails for it fails every day; and one that hammers on is throttled more.
TEST_F(S3StoreTest, TriesAgainWhenThrottled) {
  before_ = first_of("GET", {.status = 503, .body = xml_error("SlowDown")}, 3);
  ASSERT_TRUE(put("k", "bytes"));
  EXPECT_EQ(get("k"), "bytes");
  EXPECT_EQ(sent("GET").size(), 4);
  before_ = first_of("GET", {.status = 503, .body = xml_error("SlowDown")}, 100);
  const Error error = get("k").error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("8 attempts"));
}

// A body that breaks off, or a connection: the same bytes must come, from the start.
TEST_F(S3StoreTest, ReadsAgainWhatBrokeOff) {
  ASSERT_TRUE(put("k", std::string(100'000, 'x')));
  after_ = first_of("GET", {.body = std::string(100'000, 'x'), .body_bytes_max = 50'000}, 2);
  EXPECT_EQ(get("k").value().size(), 100'000);
  after_ = first_of("GET", {.silent = true}, 2);
  EXPECT_EQ(get("k").value().size(), 100'000);
}

// The heart of it: the write landed, its answer did not. Sent again it is refused by itself, and a commit that happened counts as lost.
TEST_F(S3StoreTest, KnowsItsOwnWriteWhenTheAnswerIsLost) {
  ASSERT_TRUE(put("probe", "x"));
  for (const ServedAnswer& lost : {ServedAnswer{.silent = true}, ServedAnswer{.status = 500, .body = xml_error("InternalError")},
                                   ServedAnswer{.status = 503, .body = xml_error("SlowDown")}}) {
    objects_.erase("k");
    after_ = first_of("PUT", lost);
    const auto info = put("k", "ours");
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->version, objects_["k"].etag);
    EXPECT_EQ(info->size_bytes, 4);
  }
}

// The request was lost before it was carried out: it must be sent again, not reported as somebody else's.
TEST_F(S3StoreTest, SendsAWriteAgainThatDidNotHappen) {
  ASSERT_TRUE(put("probe", "x"));
  before_ = first_of("PUT", {.silent = true}, 3);
  ASSERT_TRUE(put("k", "ours"));
  EXPECT_EQ(objects_["k"].bytes, "ours");
}

// Another writer won while our answer was lost: taking his object for ours would publish bytes that we never wrote.
TEST_F(S3StoreTest, KnowsAnotherWritersObject) {
  ASSERT_TRUE(put("probe", "x"));
  before_ = [this, once = true](const ServedRequest& request) mutable -> std::optional<ServedAnswer> {
    if (request.method != "PUT" || !std::exchange(once, false)) return std::nullopt;
    objects_["k"] = {"theirs", "e99", {{"X-Amz-Meta-Sluice-Write", "another"}}};
    return ServedAnswer{.silent = true};
  };
  EXPECT_EQ(put("k", "ours").error().code, ErrorCode::kConflict);
  EXPECT_EQ(objects_["k"].bytes, "theirs");
}

// A replacement landed and its answer was lost; then somebody else replaced it: neither is to be taken for the other.
TEST_F(S3StoreTest, KnowsItsOwnReplacement) {
  ASSERT_TRUE(put("probe", "x"));
  objects_["k"] = {"old", "e50", {}};
  const auto replace = [&] { return store().put("s3://b/k", std::string_view("new"), {.if_match = "e50"}, context_); };
  after_ = first_of("PUT", {.silent = true});
  const auto ours = replace();
  ASSERT_TRUE(ours) << ours.error().message;
  EXPECT_EQ(ours->version, objects_["k"].etag);

  objects_["k"] = {"old", "e50", {}};
  before_ = [this, once = true](const ServedRequest& request) mutable -> std::optional<ServedAnswer> {
    if (request.method != "PUT" || !std::exchange(once, false)) return std::nullopt;
    objects_["k"] = {"theirs", "e99", {{"X-Amz-Meta-Sluice-Write", "another"}}};
    return ServedAnswer{.silent = true};
  };
  EXPECT_EQ(replace().error().code, ErrorCode::kConflict);
  EXPECT_EQ(objects_["k"].bytes, "theirs");
}

// Where it cannot be found out, nobody may guess.
TEST_F(S3StoreTest, SaysWhenItCannotBeFoundOut) {
  ASSERT_TRUE(put("probe", "x"));
  after_ = first_of("PUT", {.silent = true});
  before_ = first_of("HEAD", {.status = 403}, 100);
  EXPECT_EQ(put("k", "ours").error().code, ErrorCode::kOutcomeUnknown);
}

// A service that answers "internal error" (its disk is full) is not asked for ever, and what it says comes out.
TEST_F(S3StoreTest, GivesUpAfterTheLastAttempt) {
  ASSERT_TRUE(put("probe", "x"));
  const size_t sent_before = sent("PUT").size();
  before_ = first_of("PUT", {.status = 500, .body = xml_error("InternalError")}, 100);
  const auto given_up = put("k", "ours");
  EXPECT_EQ(given_up.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(given_up.error().message, HasSubstr("500 InternalError"));
  EXPECT_EQ(sent("PUT").size() - sent_before, 8U);
}

// Two conditional writes at the same moment: S3 asks one of them to come again. That is neither a loss nor a failure.
TEST_F(S3StoreTest, ComesAgainAfterAConflictOfTheMoment) {
  ASSERT_TRUE(put("probe", "x"));
  before_ = first_of("PUT", {.status = 409, .body = xml_error("ConditionalRequestConflict")}, 2);
  EXPECT_TRUE(put("k", "ours"));
}

// A store that ignores If-None-Match lets two commits win: it must be found out before the first table lies on it, at the price of one PUT.
TEST_F(S3StoreTest, RefusesStoresThatIgnoreConditions) {
  ASSERT_TRUE(put("k", "x"));
  ASSERT_TRUE(put("k2", "x"));
  EXPECT_THAT(sent("PUT"), ElementsAre("/b/k", "/b/k", "/b/k2"));
  store_.reset();
  before_ = [this](const ServedRequest& request) -> std::optional<ServedAnswer> {
    if (request.method == "PUT") objects_.clear();
    return std::nullopt;
  };
  const Error error = put("k3", "x").error();
  EXPECT_EQ(error.code, ErrorCode::kInvalidInput);
  EXPECT_THAT(error.message, HasSubstr("If-None-Match"));
}

std::unique_ptr<Upload> written(S3Store& store, const std::string& key, int64_t bytes, Context& context) {
  auto upload = store.start_upload("s3://b/" + key, {.if_none_match = true}, context).value();
  for (int64_t done = 0; done < bytes; done += kMiB) {
    EXPECT_TRUE(
        upload->write(std::string(static_cast<size_t>(std::min(kMiB, bytes - done)), static_cast<char>('a' + done / kMiB)), context));
  }
  return upload;
}

// A store may hold to If-None-Match for small objects and not for large ones: of two writers of one key the second would win unseen.
TEST_F(S3StoreTest, RefusesStoresThatIgnoreConditionsOfUploads) {
  ASSERT_TRUE(written(store(), "one", kS3PartBytes + kMiB, context_)->complete(context_));
  const size_t requests = server_.requests().size();
  ASSERT_TRUE(written(store(), "two", kS3PartBytes + kMiB, context_)->complete(context_));
  EXPECT_EQ(server_.requests().size(), requests + 4);  // begun, two parts, completed: proved once is enough
  const std::string bytes = objects_["one"].bytes;
  store_.reset();
  before_ = [&](const ServedRequest& request) -> std::optional<ServedAnswer> {
    if (request.method == "POST" && request.target.contains("?uploadId=")) objects_.erase("three");
    return std::nullopt;
  };
  const Error error = written(store(), "three", kS3PartBytes + kMiB, context_)->complete(context_).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalidInput);
  EXPECT_THAT(error.message, HasSubstr("ignores If-None-Match at the completion of an upload"));
  EXPECT_TRUE(objects_["three"].bytes == bytes);  // the test of the store did no harm
  EXPECT_TRUE(put("small", "x"));
}

// Parts joined in the wrong order, or one of them twice, make a file of the right length and the wrong rows.
TEST_F(S3StoreTest, UploadsLargeObjectsInParts) {
  const int64_t size = 2 * kS3PartBytes + 3 * kMiB;
  const auto info = written(store(), "big", size, context_)->complete(context_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->version, objects_["big"].etag);
  std::string expected;
  for (int64_t i = 0; i < size / kMiB; ++i) expected += std::string(kMiB, static_cast<char>('a' + i));
  EXPECT_TRUE(objects_["big"].bytes == expected);
  EXPECT_EQ(sent("PUT").size(), 4);  // three parts, and one that was copied to see whether the condition is held
  for (const ServedRequest& request : server_.requests()) {
    const bool is_part = request.method == "PUT" && request.header("x-amz-copy-source").empty();
    EXPECT_TRUE(!is_part || request.header("x-amz-checksum-crc32c") == crc32c_base64(request.body));
  }
  ASSERT_TRUE(written(store(), "small", kMiB, context_)->complete(context_));
  EXPECT_THAT(sent("PUT").back(), "/b/small");  // one request, not three
}

// Parts of an upload that nobody completes are paid for, for ever.
TEST_F(S3StoreTest, DroppedUploadsEndOnTheServer) {
  written(store(), "big", kS3PartBytes + kMiB, context_).reset();
  EXPECT_THAT(sent("DELETE"), ElementsAre("/b/big?uploadId=u1"));
  EXPECT_THAT(parts_, IsEmpty());
  objects_["taken"] = {"theirs", "e", {}};
  EXPECT_EQ(written(store(), "taken", kS3PartBytes + kMiB, context_)->complete(context_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(objects_["taken"].bytes, "theirs");
}

// "NoSuchUpload" after a completion whose answer was lost means that it happened; to call it a failure would lose the rows.
TEST_F(S3StoreTest, TakesNoSuchUploadAfterALostAnswerForAQuestion) {
  after_ = first_of("POST", {.silent = true}, 1, "uploadId");
  const auto info = written(store(), "big", kS3PartBytes + kMiB, context_)->complete(context_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->version, objects_["big"].etag);
  // S3 may also say 200 first and then that it failed.
  before_ = first_of("POST", {.body = xml_error("InternalError")}, 1, "uploadId");
  EXPECT_TRUE(written(store(), "big2", kS3PartBytes + kMiB, context_)->complete(context_));
  // Somebody ended the upload: no object, no parts. Nothing may be claimed.
  before_ = first_of("POST", {.status = 404, .body = xml_error("NoSuchUpload")}, 1, "uploadId");
  EXPECT_FALSE(written(store(), "big3", kS3PartBytes + kMiB, context_)->complete(context_));
  EXPECT_FALSE(objects_.contains("big3"));
}

// What a crash left under way is found by its key; uploads of others in the same bucket are none of our business.
TEST_F(S3StoreTest, EndsUnfinishedUploadsBelowAPrefix) {
  before_ = [](const ServedRequest& request) -> std::optional<ServedAnswer> {
    if (request.method == "DELETE") return ServedAnswer{.status = 204};
    const bool second = request.target.contains("key-marker=d%2Fa%2Bb&upload-id-marker=u2");
    const std::string rest =
        second ? "<Upload><Key>d/c</Key><UploadId>u3</UploadId></Upload>"
               : "<IsTruncated>true</IsTruncated><NextKeyMarker>d/a%2Bb</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>"
                 "<Upload><Key>other</Key><UploadId>u1</UploadId></Upload><Upload><Key>d/a%2Bb</Key><UploadId>u2</UploadId></Upload>";
    return ServedAnswer{.body = "<ListMultipartUploadsResult><EncodingType>url</EncodingType>" + rest + "</ListMultipartUploadsResult>"};
  };
  ASSERT_TRUE(store().remove_unfinished("s3://b/d/", context_));
  EXPECT_THAT(sent("DELETE"), ElementsAre("/b/d/a%2Bb?uploadId=u2", "/b/d/c?uploadId=u3"));
  before_ = first_of("GET", {.status = 403, .body = xml_error("AccessDenied")}, 100);
  EXPECT_TRUE(store().remove_unfinished("s3://b/d/", context_));  // who may not list them cannot end them, and must still work
}

// A part that failed once must be sent again with its own bytes.
TEST_F(S3StoreTest, SendsPartsAgain) {
  before_ = first_of("PUT", {.status = 500, .body = xml_error("InternalError")}, 2, "partNumber");
  ASSERT_TRUE(written(store(), "big", 2 * kS3PartBytes, context_)->complete(context_));
  EXPECT_EQ(objects_["big"].bytes.size(), 2 * kS3PartBytes);
}

// A store that takes no notice of If-Match hands out the newer object: its rows would count as those of the older.
TEST_F(S3StoreTest, ChecksTheVersionItself) {
  ASSERT_TRUE(put("k", "new"));
  const Error error = get("k", "e-old").error();
  EXPECT_EQ(error.code, ErrorCode::kConflict);
  EXPECT_EQ(error.type, error_type::kChangedWhileRead);
}

// Bytes that changed on the store's disk must not become rows.
TEST_F(S3StoreTest, ChecksTheChecksumThatCameWithAWholeObject) {
  ASSERT_TRUE(put("k", "bytes"));
  objects_["k"].metadata.emplace_back("x-amz-checksum-crc32c", crc32c_base64("bytes"));
  EXPECT_EQ(get("k"), "bytes");
  objects_["k"].bytes = "bytez";
  EXPECT_EQ(get("k").error().code, ErrorCode::kUnavailable);
  objects_["k"].metadata = {{"x-amz-checksum-crc32c", "abcd==-3"}};  // of parts, not of the bytes
  EXPECT_EQ(get("k"), "bytez");
}

// Trouble with keys or the bucket is not the file's fault: marked FAILED it would stay out after the repair.
TEST_F(S3StoreTest, BlamesNoFileForWrongKeys) {
  before_ = first_of("GET", {.status = 403, .body = xml_error("InvalidAccessKeyId")}, 100);
  EXPECT_EQ(get("k").error().type, error_type::kUnavailable);
  const Error listing = store().list({.prefix = "s3://b/"}, context_).error();
  EXPECT_EQ(listing.code, ErrorCode::kInvalidInput);
  EXPECT_THAT(listing.message, HasSubstr("check the access key"));
  EXPECT_THAT(listing.message, Not(HasSubstr("secret\"")));
  before_ = first_of("GET", {.status = 404, .body = xml_error("NoSuchBucket")}, 100);
  EXPECT_EQ(get("k").error().type, error_type::kUnavailable);
  EXPECT_THAT(store().list({.prefix = "s3://b/"}, context_).error().message, HasSubstr("no such bucket"));
  before_ = first_of("GET", {.status = 403, .body = xml_error("AccessDenied")}, 100);
  EXPECT_EQ(get("k").error().type, error_type::kUnreadable);
}

// A small file is one request: a HEAD or a second GET doubles the time of a folder of small files.
TEST_F(S3StoreTest, ReadsASmallObjectWithOneGet) {
  const ObjectInfo info = put("k", "12345").value();
  const size_t before = server_.requests().size();
  auto blob = open_blob(store(), info);
  auto source = blob->open({}, context_).value();
  std::string bytes(10, '.');
  EXPECT_EQ(source->read(bytes, context_), 5U);
  EXPECT_EQ(source->read(bytes, context_), 0U);
  EXPECT_EQ(server_.requests().size(), before + 1);
  EXPECT_EQ(server_.requests().back().header("if-match"), "\"" + info.version + "\"");
  EXPECT_EQ(open_blob(store(), {"s3://b/empty", "e", 0, {}})->open({}, context_).value()->read(bytes, context_), 0U);
  EXPECT_EQ(server_.requests().size(), before + 1);
}

// Pages are XML that others write: encoded keys, folder markers, keys out of order across pages.
TEST_F(S3StoreTest, UnderstandsListings) {
  before_ = [](const ServedRequest& request) -> std::optional<ServedAnswer> {
    const bool second = request.target.contains("continuation-token=a%2B%2F%3D");
    const std::string rest = second ? "<Contents><Key>p/a-b</Key><ETag>&quot;e2&quot;</ETag><Size>2</Size></Contents>"
                                    : "<IsTruncated>true</IsTruncated><NextContinuationToken>a+/=</NextContinuationToken>"
                                      "<Contents><Key>p/</Key><Size>0</Size></Contents>"
                                      "<Contents><Key>p/a/b+c%2Bd%26%C3%A9</Key><ETag>&quot;e1&quot;</ETag><Size>7</Size>"
                                      "<LastModified>2026-11-26T01:02:03.000Z</LastModified></Contents>";
    return ServedAnswer{.body = "<ListBucketResult xmlns=\"x\"><EncodingType>url</EncodingType>" + rest + "</ListBucketResult>"};
  };
  ListRequest request{.prefix = "s3://b/p/", .start_after = "s3://b/p/\xC3\xA9"};
  const ListPage first = store().list(request, context_).value();
  ASSERT_EQ(first.objects.size(), 1U);
  EXPECT_EQ(first.objects[0].path, "s3://b/p/a/b c+d&\xC3\xA9");
  EXPECT_EQ(first.objects[0].version, "e1");
  EXPECT_EQ(first.objects[0].size_bytes, 7);
  EXPECT_EQ(to_text(first.objects[0].modified_at), "2026-11-26T01:02:03.000000Z");
  EXPECT_TRUE(first.in_byte_order);
  request.token = first.next_token;
  const ListPage second = store().list(request, context_).value();
  EXPECT_EQ(second.objects.at(0).path, "s3://b/p/a-b");
  EXPECT_FALSE(second.in_byte_order);  // "a/b" came before "a-b"
  EXPECT_EQ(second.next_token, "");
  EXPECT_THAT(sent("GET").at(0), HasSubstr("prefix=p%2F"));
  EXPECT_THAT(sent("GET").at(0), HasSubstr("start-after=p%2F%C3%A9"));
  request.token = "of another listing";
  EXPECT_FALSE(store().list(request, context_));
}

// Stopping a run must not wait for a server that does not answer.
TEST_F(S3StoreTest, StopsReadsThatWait) {
  before_ = first_of("GET", {.never = true});
  std::stop_source stop;
  context_.stop = stop.get_token();
  auto source = open_blob(store(), {"s3://b/k", "e", 100, {}})->open({}, context_).value();
  std::jthread stopper([&] {
    while (sent("GET").empty()) std::this_thread::yield();
    stop.request_stop();
  });
  std::string into(100, '.');
  EXPECT_EQ(source->read(into, context_).error().code, ErrorCode::kCancelled);
}

// Where an endpoint or a flag is written wrongly, the user must hear of it and not of a host that does not resolve.
TEST(S3Options, ReadsPropertiesAndEnvironment) {
  const AwsSettings settings = AwsSettings::load([](std::string_view name) -> std::optional<std::string> {
                                 if (name == "AWS_ENDPOINT_URL_S3") return "http://env:9000/";
                                 if (name == "AWS_REGION") return "eu-west-1";
                                 return std::nullopt;
                               }).value();
  const S3Options by_environment = s3_options({}, settings).value();
  EXPECT_EQ(s3_url(by_environment, "b", "a b/c", "x=1"), "http://env:9000/b/a%20b/c?x=1");
  EXPECT_EQ(by_environment.region, "eu-west-1");
  const S3Options virtual_host = s3_options({{"s3.endpoint", "https://s3.example"}, {"s3.path-style-access", "false"}}, settings).value();
  EXPECT_EQ(s3_url(virtual_host, "b", "k", ""), "https://b.s3.example/k");
  EXPECT_EQ(s3_url(virtual_host, "with.dots", "k", ""), "https://s3.example/with.dots/k");
  const AwsSettings nothing = AwsSettings::load([](std::string_view) { return std::nullopt; }).value();
  EXPECT_EQ(s3_url(s3_options({{"client.region", "cn-north-1"}}, nothing).value(), "b", "k", ""),
            "https://b.s3.cn-north-1.amazonaws.com.cn/k");
  EXPECT_THAT(s3_options({{"s3.endpoint", "host:9000"}}, nothing).error().message, HasSubstr("scheme"));
  EXPECT_THAT(s3_options({{"s3.path-style-access", "yes"}}, nothing).error().message, HasSubstr("true or false"));
  EXPECT_THAT(s3_options({{"s3.read-timeout-ms", "-1"}}, nothing).error().message, HasSubstr("above 0"));
  EXPECT_EQ(S3Address::parse("s3://b").value().key, "");
  EXPECT_EQ(S3Address::parse("s3a://b/k//x").value().text(), "s3a://b/k//x");
  EXPECT_FALSE(S3Address::parse("s3:///k"));
  EXPECT_FALSE(S3Address::parse("s3://user:pw@b/k"));
}

}  // namespace
}  // namespace sluice
