#include "net/oauth2.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "net/scripted_http.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

class OAuth2Test : public testing::Test {
 protected:
  static HttpResponse token(const std::string& text, int expires_in) {
    return {200, {}, R"({"access_token":")" + text + R"(","token_type":"bearer","expires_in":)" + std::to_string(expires_in) + "}"};
  }
  OAuth2Options with_credential() const { return {.server_url = "http://auth/tokens", .client_id = "me", .client_secret = "s&cret"}; }

  std::vector<HttpRequest> asked_;
  std::function<Result<HttpResponse>(int)> answer_ = [](int number) { return token("t" + std::to_string(number), 3600); };
  ScriptedHttp client_{[this](const HttpRequest& request) {
    asked_.push_back(request);
    return answer_(static_cast<int>(asked_.size()));
  }};
  ManualClock clock_;
  Context context_;
};

// Prevents a token server that is asked for every request, and credentials that lose a character on their way.
TEST_F(OAuth2Test, AsksOnceAndAgainBeforeTheEnd) {
  OAuth2Tokens tokens(with_credential(), client_, clock_);
  EXPECT_EQ(tokens.token(context_), "t1");
  EXPECT_EQ(tokens.token(context_), "t1");
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].method, "POST");
  EXPECT_EQ(*asked_[0].body, "grant_type=client_credentials&client_secret=s%26cret&client_id=me&scope=catalog");
  clock_.advance(std::chrono::seconds(3600 - 299));
  EXPECT_EQ(tokens.token(context_), "t2") << "five minutes before its end a token is renewed";
}

// Prevents a run that ends because a new token could not be had while the old one still holds.
TEST_F(OAuth2Test, KeepsWhatStillHolds) {
  OAuth2Tokens tokens(with_credential(), client_, clock_);
  EXPECT_EQ(tokens.token(context_), "t1");
  answer_ = [](int) -> Result<HttpResponse> { return fail(ErrorCode::kUnavailable, "connection refused"); };
  clock_.advance(std::chrono::minutes(58));
  EXPECT_EQ(tokens.token(context_), "t1");
}

// Prevents that many threads whose token was refused ask for one each, or that a fresh token is thrown away for an old refusal.
TEST_F(OAuth2Test, OneRenewalForAllWhoWereRefused) {
  std::atomic<int> requests = 0;
  ScriptedHttp client([&](const HttpRequest&) { return token("t" + std::to_string(++requests), 3600); });
  OAuth2Tokens tokens(with_credential(), client, clock_);
  ASSERT_EQ(tokens.token(context_), "t1");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        Context context;
        EXPECT_EQ(tokens.renewed("t1", context).value(), "t2");
      });
    }
  }
  EXPECT_EQ(requests, 2);
}

// Prevents endless retries of wrong credentials, and messages that repeat the secret.
TEST_F(OAuth2Test, WrongCredentialsEndAtOnce) {
  answer_ = [](int) { return HttpResponse{401, {}, R"({"error":"invalid_client","error_description":"no such client"})"}; };
  OAuth2Tokens tokens(with_credential(), client_, clock_);
  auto refused = tokens.token(context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(refused.error().message, HasSubstr("http://auth/tokens"));
  EXPECT_THAT(refused.error().message, HasSubstr("invalid_client, no such client"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("cret")));
  EXPECT_EQ(asked_.size(), 1U);
}

// Prevents that a token server's short outage fails a run.
TEST_F(OAuth2Test, TriesAgainWhileTheServerIsDown) {
  answer_ = [](int number) -> Result<HttpResponse> {
    if (number == 1) return fail(ErrorCode::kOutcomeUnknown, "reset");
    if (number == 2) return HttpResponse{503, {}, ""};
    return token("t", 60);
  };
  OAuth2Tokens tokens(with_credential(), client_, clock_);
  EXPECT_EQ(tokens.token(context_), "t");
  answer_ = [](int) { return HttpResponse{503, {}, ""}; };
  OAuth2Tokens others(with_credential(), client_, clock_);
  EXPECT_EQ(others.token(context_).error().code, ErrorCode::kUnavailable);
}

// Prevents a token from outside that ends in the middle of a long run: a JWT says when, and is exchanged before.
TEST_F(OAuth2Test, ExchangesATokenThatSaysItsEnd) {
  // {"alg":"none"} . {"sub":"me","exp":1700000600} . ""
  const std::string jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6MTcwMDAwMDYwMH0.";
  EXPECT_EQ(jwt_expiry(jwt), 1'700'000'600);
  EXPECT_EQ(jwt_expiry("opaque"), std::nullopt);
  EXPECT_EQ(jwt_expiry("a.b.c"), std::nullopt);
  OAuth2Options options{.server_url = "http://auth/tokens", .token = jwt};
  OAuth2Tokens tokens(options, client_, clock_);
  EXPECT_EQ(tokens.token(context_), jwt);
  clock_.advance(std::chrono::seconds(481));  // of 600: a fifth is left
  EXPECT_EQ(tokens.token(context_), "t1");
  EXPECT_THAT(*asked_.at(0).body, HasSubstr("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=" + jwt));
  OAuth2Tokens fixed({.server_url = "http://auth/tokens", .token = "opaque"}, client_, clock_);
  EXPECT_EQ(fixed.renewed("opaque", context_).value(), std::nullopt);
}

}  // namespace
}  // namespace sluice
