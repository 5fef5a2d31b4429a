#include <atomic>
#include <future>
#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http.h"
#include "net/scripted_server.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Le;

std::shared_ptr<const std::string> body_of(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

class HttpClientTest : public ::testing::Test {
 protected:
  /// Time limits short enough that a test may run into them.
  static HttpOptions impatient() { return {.connect_timeout = 300ms, .idle_timeout = 200ms, .total_timeout = 2s}; }

  Result<HttpResponse> send(HttpClient& client, HttpRequest request) { return send_now(client, std::move(request), context_); }
  static std::unique_ptr<HttpClient> client(HttpOptions options = {}) { return make_http_client(options).value(); }

  Context context_;
};

// A header, a byte of the body or a dot of the path lost on the way is another request than the one that was signed.
TEST_F(HttpClientTest, SendsAndReceivesExactlyWhatItWasGiven) {
  ScriptedServer server([](const ServedRequest& request) {
    return ServedAnswer{.status = 207, .headers = {{"ETag", "\"x\""}, {"X-Empty", ""}}, .body = request.body + '\0' + "end"};
  });
  const auto http = client();
  const std::string body = std::string("a\0\r\nb", 5) + std::string(300'000, 'c');
  const HttpResponse response = send(*http, {.method = "PUT",
                                             .url = server.url() + "/k/../%20%2B//x?list&y=%2F",
                                             .headers = {{"X-One", "1"}, {"X-None", ""}},
                                             .body = body_of(body)})
                                    .value();
  EXPECT_EQ(response.status, 207);
  EXPECT_EQ(response.header("etag"), "\"x\"");
  EXPECT_EQ(response.header("x-missing"), std::nullopt);
  EXPECT_EQ(response.body, body + '\0' + "end");
  const ServedRequest request = server.requests().at(0);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.target, "/k/../%20%2B//x?list&y=%2F");
  EXPECT_EQ(request.header("x-one"), "1");
  EXPECT_TRUE(find_header(request.headers, "x-none").has_value());
  EXPECT_FALSE(find_header(request.headers, "expect").has_value());
  EXPECT_EQ(request.header("content-length"), std::to_string(body.size()));
}

// A PUT without Content-Length is refused by stores; a HEAD that waits for a body hangs.
TEST_F(HttpClientTest, KnowsWhichMethodsHaveBodies) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.body = "12345"}; });
  const auto http = client();
  EXPECT_EQ(send(*http, {.method = "HEAD", .url = server.url()})->header("content-length"), "5");
  EXPECT_EQ(send(*http, {.method = "DELETE", .url = server.url()})->body, "12345");
  EXPECT_EQ(send(*http, {.method = "POST", .url = server.url()})->body, "12345");
  EXPECT_EQ(send(*http, {.method = "PUT", .url = server.url()})->body, "12345");
  const std::vector<ServedRequest> requests = server.requests();
  ASSERT_EQ(requests.size(), 4);
  EXPECT_EQ(requests[2].header("content-length"), "0");
  EXPECT_EQ(requests[3].header("content-length"), "0");
}

// A connection per request doubles the time of small ones; more connections than allowed get a server to throttle.
TEST_F(HttpClientTest, KeepsConnectionsAndHoldsToTheirLimit) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.body = "x"}; });
  const auto http = client({.connections_max = 4});
  constexpr int kRequests = 200;
  std::latch answered(kRequests);
  std::atomic<int> good = 0;
  for (int i = 0; i < kRequests; ++i) {
    http->send({.url = server.url()}, context_, [&](Result<HttpResponse> response) {
      good += response.has_value() && response->body == "x";
      answered.count_down();
    });
  }
  answered.wait();
  EXPECT_EQ(good, kRequests);
  EXPECT_THAT(server.most_at_once(), Le(4));
  EXPECT_THAT(server.connections(), Le(4));
}

// Half an object taken for the whole would be loaded as one.
TEST_F(HttpClientTest, TakesNoShortBodyForAWholeOne) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.body = std::string(100'000, 'x'), .body_bytes_max = 99'999}; });
  const auto http = client();
  EXPECT_EQ(send(*http, {.url = server.url()}).error().code, ErrorCode::kOutcomeUnknown);
}

// A server that sends without end must not take our memory.
TEST_F(HttpClientTest, EndsAnswersThatAreTooLong) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.body = std::string(100'000, 'x')}; });
  const auto http = client();
  const Error error = send(*http, {.url = server.url() + "/big?token=secret", .response_bytes_max = 1000}).error();
  EXPECT_EQ(error.code, ErrorCode::kCorruption);
  EXPECT_THAT(error.message, HasSubstr("GET " + server.url() + "/big: "));
}

// Where nothing can have happened a caller may simply send again; where something can, it must look first.
TEST_F(HttpClientTest, TellsNotSentFromNotAnswered) {
  std::string url;
  const auto http = client();
  {
    ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.silent = true}; });
    url = server.url();
    EXPECT_EQ(send(*http, {.method = "PUT", .url = url, .body = body_of("x")}).error().code, ErrorCode::kOutcomeUnknown);
  }
  EXPECT_EQ(send(*http, {.method = "PUT", .url = url, .body = body_of("x")}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(send(*http, {.url = "http://no-such-host.invalid/"}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(send(*http, {.url = "ftp://127.0.0.1/"}).error().code, ErrorCode::kInvalidInput);
  EXPECT_EQ(send(*http, {.url = "http://[::1/"}).error().code, ErrorCode::kInvalidInput);
}

// libcurl repeats a request by itself when a kept connection dies under it: a conditional write that landed would then lose against itself.
TEST_F(HttpClientTest, NeverSendsAWriteTwice) {
  std::atomic<bool> dying = false;
  ScriptedServer server([&](const ServedRequest&) { return ServedAnswer{.silent = dying.exchange(false)}; });
  const auto http = client();
  size_t sent = 0;
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    for (const auto& body : {body_of("x"), std::shared_ptr<const std::string>()}) {
      ASSERT_TRUE(send(*http, {.url = server.url()}));  // a connection to be used again
      dying = true;
      EXPECT_EQ(send(*http, {.method = method, .url = server.url(), .body = body}).error().code, ErrorCode::kOutcomeUnknown) << method;
      EXPECT_EQ(server.requests().size(), sent += 2) << method;
    }
  }
  ASSERT_TRUE(send(*http, {.url = server.url()}));
  dying = true;
  EXPECT_TRUE(send(*http, {.url = server.url()}));  // reading again harms nobody
}

// A server that stops in the middle would hold a run for ever.
TEST_F(HttpClientTest, EndsRequestsThatStandStill) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.never = true}; });
  const auto http = client(impatient());
  const Error error = send(*http, {.url = server.url()}).error();
  EXPECT_EQ(error.code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(error.message, HasSubstr("no byte"));
}

// A byte now and then keeps the idle limit away: only the total one ends it. A deadline ends it before.
TEST_F(HttpClientTest, EndsRequestsThatTakeTooLong) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.never = true}; });
  const auto http = client({.idle_timeout = 60s, .total_timeout = 300ms});
  EXPECT_EQ(send(*http, {.url = server.url()}).error().code, ErrorCode::kOutcomeUnknown);
  const auto patient = client({.idle_timeout = 400ms});
  context_.deadline = SystemClock().now() + 100ms;
  EXPECT_THAT(send(*patient, {.url = server.url()}).error().message, HasSubstr("deadline"));
  EXPECT_EQ(send(*patient, {.url = server.url()}).error().code, ErrorCode::kUnavailable);  // past it before it was sent
}

// A host that drops packets would hold a run for minutes.
TEST_F(HttpClientTest, EndsConnectingThatTakesTooLong) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  // Nobody accepts: once the queue is full, packets that ask for a connection are dropped.
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  const auto http = client(impatient());
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(send(*http, {.method = "PUT", .url = url}).error().code, ErrorCode::kUnavailable);
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

// Stopping a run must not wait for its requests, neither for those under way nor for those that queue behind them.
TEST_F(HttpClientTest, StopsRequestsAtOnce) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.never = true}; });
  const auto http = client({.connections_max = 1});
  std::stop_source stop;
  context_.stop = stop.get_token();
  std::vector<std::promise<ErrorCode>> ended(3);
  for (size_t i = 0; i < ended.size(); ++i) {
    const auto delay = i == 2 ? 1h : 0h;
    http->send({.url = server.url(), .delay = delay}, context_,
               [&ended, i](Result<HttpResponse> response) { ended[i].set_value(response.error().code); });
  }
  while (server.requests().empty()) std::this_thread::yield();
  stop.request_stop();
  for (auto& end : ended) EXPECT_EQ(end.get_future().get(), ErrorCode::kCancelled);
  EXPECT_EQ(send(*http, {.url = server.url()}).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(server.requests().size(), 1);
}

// A sender whose client is gone would wait for ever.
TEST_F(HttpClientTest, CompletesEverythingBeforeItGoes) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{.never = true}; });
  auto http = client();
  std::promise<ErrorCode> ended;
  http->send({.url = server.url()}, context_, [&](Result<HttpResponse> response) { ended.set_value(response.error().code); });
  http.reset();
  EXPECT_EQ(ended.get_future().get(), ErrorCode::kCancelled);
}

// Backoff that is not kept hammers a server that asked for time; one that blocks the thread holds up everybody else.
TEST_F(HttpClientTest, SendsDelayedRequestsLaterAndOthersMeanwhile) {
  ScriptedServer server([](const ServedRequest&) { return ServedAnswer{}; });
  const auto http = client();
  SystemClock clock;
  const int64_t begin = clock.monotonic_micros();
  std::promise<int64_t> delayed;
  http->send({.url = server.url() + "/late", .delay = 150ms}, context_,
             [&](Result<HttpResponse>) { delayed.set_value(clock.monotonic_micros() - begin); });
  ASSERT_TRUE(send(*http, {.url = server.url() + "/now"}));
  EXPECT_GE(delayed.get_future().get(), 150'000);
  EXPECT_EQ(server.requests().at(0).target, "/now");
}

// A typing error in the path of a certificate must not fall back to trusting the system's.
TEST_F(HttpClientTest, RefusesCertificateFilesThatCannotBeRead) {
  EXPECT_EQ(make_http_client({.ca_file = "/no/such/ca.pem"}).error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace sluice
