#include "service/http_front.h"

#include <gtest/gtest.h>

#include "service/api_service.h"
#include "service/rate_limit.h"
#include "service/run_request.h"

namespace sluice {
namespace {

RequestFrame frame(const std::string& text) { return frame_request(text, {}); }

// Prevents: a request answered before it is whole, or one that is waited for although it is.
TEST(RequestFrame, KnowsWhereARequestEnds) {
  EXPECT_EQ(frame("").head_bytes, 0u);
  EXPECT_EQ(frame("GET / HTTP/1.1\r\nHost: x\r\n").head_bytes, 0u);
  const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(frame(get).head_bytes, get.size());
  EXPECT_EQ(frame(get).body_bytes, 0u);
  const RequestFrame post = frame("POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\nExpect: 100-Continue\r\n\r\n{\"a\"");
  EXPECT_EQ(post.body_bytes, 12u);
  EXPECT_TRUE(post.wants_continue);
  EXPECT_FALSE(post.is_last);
  EXPECT_TRUE(frame("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").is_last);
  EXPECT_TRUE(frame("GET / HTTP/1.0\r\n\r\n").is_last);
}

// Prevents: request smuggling (two lengths, a length and chunks), bombs, heads and bodies without end.
TEST(RequestFrame, RefusesWhatIsUnclearOrTooMuch) {
  const auto refusal = [](const std::string& headers) { return frame("POST / HTTP/1.1\r\n" + headers + "\r\n\r\n").refusal; };
  EXPECT_EQ(refusal("Content-Length: 1\r\nContent-Length: 1"), 400);
  EXPECT_EQ(refusal("Content-Length: 1x"), 400);
  EXPECT_EQ(refusal("Content-Length: +1"), 400);
  EXPECT_EQ(refusal("Content-Length:"), 400);
  EXPECT_EQ(refusal("Content-Length : 1"), 400);
  EXPECT_EQ(refusal(" folded: 1"), 400);
  EXPECT_EQ(refusal("no colon"), 400);
  EXPECT_EQ(refusal("Transfer-Encoding: chunked"), 411);
  EXPECT_EQ(refusal("Content-Encoding: gzip"), 415);
  EXPECT_EQ(refusal("Content-Encoding: identity"), 0);
  EXPECT_EQ(refusal("Content-Length: 1048577"), 413);
  EXPECT_EQ(refusal("Content-Length: 1048576"), 0);
  EXPECT_EQ(refusal("Content-Length: 18446744073709551616"), 413);
  EXPECT_EQ(refusal("X: " + std::string(16 * 1024, 'x')), 431);
  EXPECT_EQ(frame(std::string(16 * 1024 + 1, 'x')).refusal, 431);
  EXPECT_EQ(frame("GET / HTTP/2.0\r\n\r\n").refusal, 505);
  EXPECT_EQ(frame("hello\r\n\r\n").refusal, 400);
}

// Prevents: calls that reach another operation's handler, ids with slashes, methods that are not there taken for paths that are not.
TEST(FindRoute, MatchesMethodAndPath) {
  const Route run = find_route("POST", "/api/v1/ingestions/0190/run");
  ASSERT_NE(run.operation, nullptr);
  EXPECT_EQ(run.operation->id, "runIngestion");
  EXPECT_EQ(run.id, "0190");
  EXPECT_EQ(find_route("GET", "/api/v1/ingestions").operation->id, "listIngestions");
  EXPECT_EQ(find_route("HEAD", "/healthz").operation->id, "health");
  EXPECT_EQ(find_route("GET", "/api/v1/ingestions/a/b").allowed, "");
  EXPECT_EQ(find_route("GET", "/api/v1/ingestions/").allowed, "");
  EXPECT_EQ(find_route("GET", "/api/v1/ingestions//run").allowed, "");
  const Route wrong = find_route("PUT", "/api/v1/ingestions/x");
  EXPECT_EQ(wrong.operation, nullptr);
  EXPECT_EQ(wrong.allowed, "GET, PATCH, DELETE");
  for (const Operation& operation : operations()) {
    std::string path(operation.path);
    if (const size_t id = path.find("{id}"); id != std::string::npos) path.replace(id, 4, "0190-x");
    const Route route = find_route(operation.method, path);
    ASSERT_NE(route.operation, nullptr) << path;
    EXPECT_EQ(route.operation->id, operation.id);
  }
}

// Prevents: bodies that crash, or that are taken for something they are not.
TEST(ParseBody, TakesObjectsOnly) {
  EXPECT_EQ(parse_body("")->size(), 0u);
  EXPECT_EQ(parse_body("{\"a\": 1}")->at("a"), 1);
  for (const char* wrong : {"{", "[]", "null", "1", "\"x\"", "{\"a\": 1} x", "\xff"}) EXPECT_FALSE(parse_body(wrong)) << wrong;
  EXPECT_FALSE(parse_body(std::string(100'000, '[')));
  std::string deep;
  for (int i = 0; i < kNestingMax + 2; ++i) deep += "{\"a\":";
  EXPECT_FALSE(parse_body(deep + "1" + std::string(kNestingMax + 2, '}')));
}

// Prevents: one caller who takes all, a burst that is refused, a limit that never lifts or that another caller pays for.
TEST(RateLimit, FillsWithTime) {
  ManualClock clock;
  RateLimit limit(clock, 2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(limit.wait_seconds("a"), 0) << i;
  EXPECT_EQ(limit.wait_seconds("a"), 1);
  EXPECT_EQ(limit.wait_seconds("b"), 0);
  clock.advance(std::chrono::milliseconds(500));
  EXPECT_EQ(limit.wait_seconds("a"), 0);
  EXPECT_EQ(limit.wait_seconds("a"), 1);
  RateLimit none(clock, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(none.wait_seconds("a"), 0);
}

// Prevents: a waiting run that loses what it shall do.
TEST(RunOptionsJson, ReadsBackAsWritten) {
  RunOptions options;
  options.files_from = {"s3://b/ä \"k\".json"};
  options.retry_failed = true;
  options.only_paths = {"/p"};
  const RunOptions read = parse_run_options(run_options_json(options)).value();
  EXPECT_EQ(read.files_from, options.files_from);
  EXPECT_TRUE(read.retry_failed);
  EXPECT_EQ(read.only_paths, options.only_paths);
  EXPECT_TRUE(parse_run_options("").has_value());
  EXPECT_EQ(parse_run_options("{").error().code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace sluice
