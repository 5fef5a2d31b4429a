// What real servers do not do on demand: lost answers, refusals that prove nothing, expired tokens, odd configurations.
#include "iceberg/rest_catalog.h"

#include <gmock/gmock.h>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/fake_rest_server.h"
#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const TableId kRestTable{{"bronze", "raw"}, "events"};
constexpr const char* kTableUrl = "/namespaces/bronze%1Fraw/tables/events";

class RestCatalogTest : public testing::Test {
 protected:
  std::unique_ptr<Catalog> open(std::map<std::string, std::string> properties = {}) {
    if (!server_) server_ = std::make_unique<FakeRestServer>(clock_, options_);
    auto catalog = make_rest_catalog({"http://user:pw@host:8181/", "lake", std::move(properties)}, server_->client(), clock_);
    EXPECT_TRUE(catalog) << catalog.error().message;
    return *std::move(catalog);
  }
  LoadedTable make(Catalog& catalog) {
    auto made = catalog.create(kRestTable, {test_schema(), {}, "", {}}, context_);
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  TableChange append(const LoadedTable& base, int64_t snapshot_id = new_snapshot_id()) const {
    const Snapshot* before = base.metadata.current_snapshot();
    Snapshot snapshot = test_snapshot(snapshot_id, base.metadata.last_sequence_number + 1);
    snapshot.manifest_list += new_uuid();
    if (before) snapshot.parent_snapshot_id = before->snapshot_id;
    TableChange change = move_main(snapshot);
    change.requirements = {AssertTableUuid{base.metadata.table_uuid},
                           AssertRefSnapshotId{"main", before ? std::optional(before->snapshot_id) : std::nullopt}};
    return change;
  }
  static bool is_commit(const HttpRequest& request) { return request.method == "POST" && request.url.ends_with(kTableUrl); }
  /// The next `times` commits are answered so; `carried_out`: after they took place.
  void next_commits(const FakeRestServer::Answer& answer, bool carried_out, int times = 1) {
    auto script = [answer, times](const HttpRequest& request) mutable -> std::optional<FakeRestServer::Answer> {
      if (!is_commit(request) || times-- <= 0) return std::nullopt;
      return answer;
    };
    (carried_out ? server_->lose : server_->instead) = script;
  }
  int64_t commits() const { return server_->count("POST", kTableUrl); }
  ErrorCode commit_code(Catalog& catalog, const LoadedTable& base) {
    auto committed = catalog.commit(base, append(base), context_);
    return committed ? ErrorCode::kInvalidInput : committed.error().code;
  }

  FakeRestOptions options_;
  ManualClock clock_;
  Context context_;
  std::unique_ptr<FakeRestServer> server_;
};

const FakeRestServer::Answer kLost = fail(ErrorCode::kOutcomeUnknown, "connection reset");

// Prevents a table that cannot be made because nobody made its namespace, and secrets of the URL in the pin of a batch.
TEST_F(RestCatalogTest, MakesNamespacesOnDemand) {
  auto catalog = open();
  EXPECT_EQ(catalog->uri(), "rest:http://host:8181#lake");
  make(*catalog);
  EXPECT_EQ(server_->count("POST", "/namespaces"), 2);
  EXPECT_EQ(server_->count("GET", "/v1/config?warehouse=lake"), 1);
  ASSERT_TRUE(catalog->create({{"bronze", "raw"}, "second"}, {test_schema(), {}, "", {}}, context_));
  EXPECT_EQ(server_->count("POST", "/namespaces"), 2) << "once is enough";
  auto tables = catalog->tables(context_);
  ASSERT_TRUE(tables) << tables.error().message;
  ASSERT_EQ(tables->size(), 2U);
  EXPECT_EQ(tables->at(1).text(), "bronze.raw.second");
}

// Prevents loads from a table that shows only some of its snapshots: the search for a batch would not find it.
TEST_F(RestCatalogTest, AsksForAllSnapshotsAndForCredentials) {
  auto catalog = open({{"header.X-Team", "data"}});
  make(*catalog);
  ASSERT_TRUE(catalog->load(kRestTable, context_));
  const HttpRequest load = server_->requests().back();
  EXPECT_THAT(load.url, testing::EndsWith(std::string(kTableUrl) + "?snapshots=all"));
  EXPECT_THAT(load.headers, testing::Contains(std::pair<std::string, std::string>("X-Iceberg-Access-Delegation", "vended-credentials")));
  EXPECT_THAT(load.headers, testing::Contains(std::pair<std::string, std::string>("X-Team", "data")));
}

// Prevents a first commit that overwrites another one: the snapshot id that must not be there is sent as null, not left out.
TEST_F(RestCatalogTest, RequiresNullOfAnEmptyTable) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  ASSERT_TRUE(catalog->commit(base, append(base), context_));
  const json body = json::parse(*server_->requests().back().body);
  EXPECT_EQ(body.at("requirements").at(1), (json{{"type", "assert-ref-snapshot-id"}, {"ref", "main"}, {"snapshot-id", nullptr}}));
}

// Prevents a batch from being withdrawn or loaded twice whose commit landed and whose answer was lost, in each way that answers get lost.
TEST_F(RestCatalogTest, FindsACommitThatLandedWithoutAnAnswer) {
  auto catalog = open();
  LoadedTable base = make(*catalog);
  for (const FakeRestServer::Answer& answer :
       {kLost, FakeRestServer::Answer(FakeRestServer::refuse(500, "Oops")), FakeRestServer::Answer(HttpResponse{502, {}, "<html>"}),
        FakeRestServer::Answer(HttpResponse{504, {}, ""}), FakeRestServer::Answer(HttpResponse{200, {}, "{\"metad"}),
        FakeRestServer::Answer(fail(ErrorCode::kCorruption, "too long"))}) {
    const int64_t before = commits();
    next_commits(answer, /*carried_out=*/true);
    auto committed = catalog->commit(base, append(base), context_);
    ASSERT_TRUE(committed) << committed.error().message;
    EXPECT_EQ(commits(), before + 1) << "a commit must not be sent again by itself";
    EXPECT_NE(committed->metadata_location, base.metadata_location);
    base = *std::move(committed);
  }
  EXPECT_EQ(base.metadata.snapshots.size(), 6U);
}

// Prevents that silence is taken for a refusal: a request whose effect cannot be seen yet may land later.
TEST_F(RestCatalogTest, AbsenceProvesNothing) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  for (const FakeRestServer::Answer& answer :
       {kLost, FakeRestServer::Answer(FakeRestServer::refuse(503, "Busy")),
        FakeRestServer::Answer(FakeRestServer::refuse(400, "ValidationException")),
        FakeRestServer::Answer(HttpResponse{404, {}, "<html>no route</html>"}), FakeRestServer::Answer(HttpResponse{302, {}, ""})}) {
    next_commits(answer, /*carried_out=*/false);
    EXPECT_EQ(commit_code(*catalog, base), ErrorCode::kOutcomeUnknown);
  }
}

// Prevents a lost answer from blocking a worker that provably lost: where another snapshot stands on what was required, ours cannot land.
TEST_F(RestCatalogTest, ASuccessorOfTheBaseProvesARefusal) {
  auto catalog = open();
  const LoadedTable empty = make(*catalog);
  const LoadedTable base = *catalog->commit(empty, append(empty), context_);
  auto other = open();
  const TableChange theirs = append(base);
  const TableChange ours = append(base);
  next_commits(kLost, false);
  EXPECT_EQ(catalog->commit(base, ours, context_).error().code, ErrorCode::kOutcomeUnknown);
  ASSERT_TRUE(other->commit(base, theirs, context_));
  next_commits(kLost, false);
  EXPECT_EQ(catalog->commit(base, ours, context_).error().code, ErrorCode::kConflict);
  // On an empty table nothing shows that the base is behind.
  next_commits(kLost, false);
  EXPECT_EQ(catalog->commit(empty, append(empty), context_).error().code, ErrorCode::kOutcomeUnknown);
}

// Prevents the deletion of what a landed commit wrote: a gateway repeated the request, and the repeat was answered with 409.
TEST_F(RestCatalogTest, AConflictIsNoProofWhereTheCommitIsThere) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  next_commits(FakeRestServer::refuse(409, "CommitFailedException"), /*carried_out=*/true);
  const TableChange change = append(base);
  auto committed = catalog->commit(base, change, context_);
  ASSERT_TRUE(committed) << committed.error().message;
  // Landed, and taken back by an operator before we looked: neither done nor refused.
  const TableChange next = append(*committed);
  bool landed = false;
  server_->lose = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (!is_commit(request) || landed) return std::nullopt;
    landed = true;
    return FakeRestServer::refuse(409, "CommitFailedException");
  };
  server_->instead = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (!landed || request.method != "GET") return std::nullopt;
    const json body = {{"requirements", json::array()},
                       {"updates",
                        {{{"action", "set-snapshot-ref"},
                          {"ref-name", "main"},
                          {"type", "branch"},
                          {"snapshot-id", committed->metadata.current_snapshot()->snapshot_id}}}}};
    server_->carry_out(
        {.method = "POST", .url = "http://host:8181/v1" + std::string(kTableUrl), .body = std::make_shared<std::string>(body.dump())});
    return std::nullopt;
  };
  EXPECT_EQ(catalog->commit(*committed, next, context_).error().code, ErrorCode::kOutcomeUnknown);
}

// Prevents that one attempt of a batch takes another attempt's landing for its own: its manifest list would be left behind.
TEST_F(RestCatalogTest, AnotherAttemptOfTheSameSnapshotIsAConflict) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  const int64_t id = new_snapshot_id();
  ASSERT_TRUE(catalog->commit(base, append(base, id), context_));
  next_commits(kLost, false);
  EXPECT_EQ(catalog->commit(base, append(base, id), context_).error().code, ErrorCode::kConflict);
}

// Prevents giving up on a busy server, and hammering it.
TEST_F(RestCatalogTest, WaitsAsLongAsTheServerAsks) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  const Timestamp before = clock_.now();
  HttpResponse busy = FakeRestServer::refuse(429, "TooManyRequestsException");
  busy.headers.emplace_back("retry-after", "7");
  next_commits(busy, /*carried_out=*/false, 2);
  auto committed = catalog->commit(base, append(base), context_);
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_GE(clock_.now() - before, std::chrono::seconds(14));
  busy.headers.back().second = "3600";
  next_commits(busy, false, 2);
  auto refused = catalog->commit(*committed, append(*committed), context_);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable) << "an hour is for the next run";
}

// Prevents a batch from being given up because a right was missing or a server was not there: it stays prepared.
TEST_F(RestCatalogTest, WhatWasNotCarriedOutIsUnavailable) {
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  for (const int status : {401, 403, 419, 429}) {
    next_commits(FakeRestServer::refuse(status, "No"), false, 100);
    EXPECT_EQ(commit_code(*catalog, base), ErrorCode::kUnavailable) << status;
  }
  next_commits(fail(ErrorCode::kUnavailable, "connection refused"), false, 100);
  EXPECT_EQ(commit_code(*catalog, base), ErrorCode::kUnavailable);
  next_commits(fail(ErrorCode::kUnavailable, "connection refused"), false, 2);
  EXPECT_TRUE(catalog->commit(base, append(base), context_)) << "nothing was sent, so it is sent again";
}

// Prevents loads that fail with the first hiccup, and a missing table seen where a gateway answered.
TEST_F(RestCatalogTest, ReadsAreTriedAgain) {
  auto catalog = open();
  make(*catalog);
  int failures = 0;
  server_->instead = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (request.method != "GET" || failures == 0) return std::nullopt;
    return --failures % 2 == 0 ? FakeRestServer::Answer(HttpResponse{503, {}, ""}) : kLost;
  };
  failures = 3;
  EXPECT_TRUE(catalog->load(kRestTable, context_));
  failures = 100;
  EXPECT_EQ(catalog->load(kRestTable, context_).error().code, ErrorCode::kUnavailable);
  server_->instead = [](const HttpRequest&) { return HttpResponse{404, {}, "<html>nginx</html>"}; };
  EXPECT_EQ(catalog->load(kRestTable, context_).error().code, ErrorCode::kUnavailable);
  server_->instead = [](const HttpRequest&) { return std::nullopt; };
  EXPECT_EQ(catalog->load({{"bronze"}, "other"}, context_).error().code, ErrorCode::kNotFound);
}

// Prevents a run that ends with its token, in the middle of a commit too; and a storm of new tokens where the right is missing.
TEST_F(RestCatalogTest, RenewsTheTokenOnceAndSendsAgain) {
  auto catalog = open({{"credential", "me:secret"}});
  int tokens = 0;
  std::string accepted = "t1";
  server_->instead = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (request.url.ends_with("/v1/oauth/tokens")) {
      return FakeRestServer::reply(200, {{"access_token", "t" + std::to_string(++tokens)}, {"token_type", "bearer"}, {"expires_in", 3600}});
    }
    const auto& headers = request.headers;
    const bool ok = std::ranges::count(headers, std::pair<std::string, std::string>("Authorization", "Bearer " + accepted)) == 1;
    if (!ok) return FakeRestServer::refuse(tokens == 1 ? 401 : 419, "NotAuthorizedException");
    return std::nullopt;
  };
  const LoadedTable base = make(*catalog);
  EXPECT_EQ(tokens, 1);
  accepted = "t2";
  ASSERT_TRUE(catalog->commit(base, append(base), context_));
  EXPECT_EQ(tokens, 2);
  accepted = "never";
  auto refused = catalog->load(kRestTable, context_);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(refused.error().message, HasSubstr("credential"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("secret")));
  EXPECT_EQ(tokens, 3);
}

// Prevents requests to Glue or S3 Tables under a stale or a doubled signature, and a lost bearer token where both are wanted.
TEST_F(RestCatalogTest, SignsForAws) {
  auto catalog = open({{"rest.sigv4-enabled", "true"},
                       {"rest.signing-name", "glue"},
                       {"rest.signing-region", "eu-central-1"},
                       {"rest.access-key-id", "AKEY"},
                       {"rest.secret-access-key", "secret"},
                       {"rest.session-token", "session"},
                       {"token", "bearer"}});
  make(*catalog);
  const auto headers_of = [&](std::string_view name) {
    std::vector<std::string> values;
    const HttpRequest request = server_->requests().back();
    for (const auto& [key, value] : request.headers) {
      if (key == name) values.push_back(value);
    }
    return values;
  };
  server_->instead = [&, busy = true](const HttpRequest&) mutable -> std::optional<FakeRestServer::Answer> {
    if (!std::exchange(busy, false)) return std::nullopt;
    return FakeRestServer::refuse(429, "TooManyRequestsException");
  };
  ASSERT_TRUE(catalog->load(kRestTable, context_)) << "the second request of it is signed anew";
  EXPECT_THAT(headers_of("authorization"),
              testing::ElementsAre(testing::StartsWith("AWS4-HMAC-SHA256 Credential=AKEY/20231114/eu-central-1/glue/aws4_request, ")));
  EXPECT_THAT(headers_of("x-amz-security-token"), testing::ElementsAre("session"));
  EXPECT_THAT(headers_of("Original-Authorization"), testing::ElementsAre("Bearer bearer"));
  EXPECT_THAT(headers_of("Authorization"), testing::IsEmpty());
}

// Prevents a lost answer from costing an attempt where the server can repeat it, and one name for two different requests.
TEST_F(RestCatalogTest, RepeatsTheSameRequestUnderTheSameKey) {
  options_.config["idempotency-key-lifetime"] = "PT30M";
  auto catalog = open();
  const LoadedTable base = make(*catalog);
  const auto key_of = [](const HttpRequest& request) {
    for (const auto& [name, value] : request.headers) {
      if (name == "Idempotency-Key") return value;
    }
    return std::string();
  };
  std::map<std::string, HttpResponse> remembered;
  server_->lose = [&, lost = false](const HttpRequest& request) mutable -> std::optional<FakeRestServer::Answer> {
    if (!is_commit(request) || lost) return std::nullopt;
    lost = true;
    return kLost;
  };
  server_->instead = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (!is_commit(request)) return std::nullopt;
    if (!remembered.contains(key_of(request))) {
      remembered[key_of(request)] = HttpResponse{200, {}, R"({"metadata":{}})"};
      return std::nullopt;
    }
    return kLost;
  };
  ASSERT_TRUE(catalog->commit(base, append(base), context_)) << "in the end the table itself is asked";
  EXPECT_EQ(commits(), 3);
  EXPECT_EQ(remembered.size(), 1U);
  EXPECT_THAT(remembered.begin()->first, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}"));
  EXPECT_EQ(server_->count("GET", "?snapshots=all"), 2) << "before the creation, and after three commits";
}

// Prevents a worker from taking another one's table, which has other columns and maybe rows, for the one that it asked for: some servers
// answer a second creation with 200 and what is there.
TEST_F(RestCatalogTest, ACreationThatAnswersWithAnotherTableIsAConflict) {
  auto catalog = open();
  const LoadedTable theirs = make(*catalog);
  ASSERT_TRUE(catalog->commit(theirs, append(theirs), context_));
  const HttpResponse existing = *server_->answer({.url = "http://host:8181/v1" + std::string(kTableUrl)});
  bool hidden = true;  // they made it between our look and our request
  server_->instead = [&](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (request.method == "POST") return existing;
    return hidden ? std::optional<FakeRestServer::Answer>(FakeRestServer::refuse(404, "NoSuchTableException")) : std::nullopt;
  };
  EXPECT_EQ(catalog->create(kRestTable, {test_schema(), {}, "", {}}, context_).error().code, ErrorCode::kConflict);
  hidden = false;
  const int64_t before = server_->count("POST", "/tables");
  EXPECT_EQ(catalog->create(kRestTable, {test_schema(), {}, "", {}}, context_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(server_->count("POST", "/tables"), before);
}

// Prevents appends to a table of a version that was not asked for.
TEST_F(RestCatalogTest, RefusesATableOfAnotherVersion) {
  options_.format_version_made = 3;
  auto catalog = open();
  auto made = catalog->create(kRestTable, {test_schema(), {}, "", {}}, context_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(made.error().message, HasSubstr("asked for format version 2, got 3"));
}

// Prevents a creation whose answer was lost from ending the run: the table is there for whoever made it.
TEST_F(RestCatalogTest, ALostCreationIsFound) {
  auto catalog = open();
  ASSERT_TRUE(catalog->create({{"bronze", "raw"}, "first"}, {test_schema(), {}, "", {}}, context_));
  server_->lose = [](const HttpRequest& request) -> std::optional<FakeRestServer::Answer> {
    if (request.method == "POST") return kLost;
    return std::nullopt;
  };
  EXPECT_EQ(catalog->create(kRestTable, {test_schema(), {}, "", {}}, context_).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(catalog->load(kRestTable, context_));
}

// Prevents reading and writing with credentials that do not reach so far, or with half a key pair of the user's.
TEST_F(RestCatalogTest, VendedCredentialsByLongestPrefix) {
  options_.config["overrides"] = {{"s3.endpoint", "http://store"}, {"prefix", "p%7Cq"}, {"not-of-the-store", "x"}};
  options_.prefix = "p%7Cq";
  options_.table_answer_extra = {
      {"config", {{"s3.access-key-id", "table"}, {"s3.secret-access-key", "tt"}, {"client.region", "eu"}}},
      {"storage-credentials",
       {{{"prefix", "s3://lake"}, {"config", {{"s3.access-key-id", "short"}, {"s3.secret-access-key", "ss"}}}},
        {{"prefix", "s3://lake/wh/t"},
         {"config", {{"s3.access-key-id", "long"}, {"s3.secret-access-key", "ll"}, {"s3.session-token", "lt"}}}}}}};
  auto catalog = open({{"s3.access-key-id", "user"}, {"s3.session-token", "ut"}, {"token", "bearer"}});
  const LoadedTable table = make(*catalog);
  using Map = std::map<std::string, std::string>;
  EXPECT_EQ(table.properties, (Map{{"s3.endpoint", "http://store"}, {"s3.access-key-id", "user"}, {"s3.session-token", "ut"}}));
  EXPECT_EQ(store_properties(table, "s3://elsewhere/x"),
            (Map{{"s3.endpoint", "http://store"}, {"s3.access-key-id", "table"}, {"s3.secret-access-key", "tt"}, {"client.region", "eu"}}));
  EXPECT_EQ(store_properties(table, "s3://lake/wh/t/data/f.parquet").at("s3.session-token"), "lt");
  EXPECT_EQ(store_properties(table, "s3://lake/wh/other").at("s3.access-key-id"), "short");
}

// Prevents a wrong address or a server that is down from looking like an empty catalog.
TEST_F(RestCatalogTest, SaysWhatIsWrongWithTheServer) {
  auto catalog = open();
  server_->instead = [](const HttpRequest&) { return HttpResponse{200, {}, "<html>hello</html>"}; };
  EXPECT_EQ(catalog->load(kRestTable, context_).error().code, ErrorCode::kCorruption);
  server_->instead = [](const HttpRequest&) { return HttpResponse{404, {}, ""}; };
  EXPECT_EQ(catalog->load(kRestTable, context_).error().code, ErrorCode::kInvalidInput);
  server_->instead = [](const HttpRequest&) -> FakeRestServer::Answer { return fail(ErrorCode::kUnavailable, "connection refused"); };
  auto down = catalog->load(kRestTable, context_);
  EXPECT_EQ(down.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(down.error().message, testing::AllOf(HasSubstr("http://host:8181"), HasSubstr("connection refused"), Not(HasSubstr("pw"))));
  server_->instead = [](const HttpRequest&) { return std::nullopt; };
  EXPECT_EQ(catalog->load(kRestTable, context_).error().code, ErrorCode::kNotFound) << "once it is back it answers";
}

}  // namespace
}  // namespace sluice
