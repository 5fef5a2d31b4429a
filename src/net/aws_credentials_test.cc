#include "net/aws_credentials.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "net/scripted_server.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class AwsCredentialsTest : public ::testing::Test {
 protected:
  AwsCredentialsTest() : folder_(fs::temp_directory_path() / ("sluice-aws-" + new_uuid())), http_(make_http_client({}).value()) {
    fs::create_directories(folder_);
    variables_["HOME"] = folder_.string();
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }
  ~AwsCredentialsTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  Result<AwsSettings> settings(const std::string& profile = "") {
    return AwsSettings::load(
        [variables = variables_](std::string_view name) {
          const auto at = variables.find(std::string(name));
          return at == variables.end() ? std::nullopt : std::optional(at->second);
        },
        profile);
  }

  Result<AwsCredentials> find(AwsCredentials configured = {}, const std::string& profile = "") {
    return AwsCredentialChain(std::move(configured), settings(profile).value(), *http_, clock_).get(context_);
  }

  std::string in(std::chrono::seconds duration) { return to_text(clock_.now() + duration); }

  const fs::path folder_;
  std::map<std::string, std::string> variables_;
  std::unique_ptr<HttpClient> http_;
  ManualClock clock_;
  Context context_;
};

// Keys that the user wrote down for this source must not lose to those that lie around in the environment.
TEST_F(AwsCredentialsTest, PrefersConfigurationThenEnvironmentThenProfile) {
  write(".aws/credentials", "[default]\naws_access_key_id = file-id\naws_secret_access_key = file-secret\n");
  EXPECT_EQ(find(), (AwsCredentials{"file-id", "file-secret"}));
  variables_["AWS_ACCESS_KEY_ID"] = "env-id";
  variables_["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  variables_["AWS_SESSION_TOKEN"] = "env-token";
  EXPECT_EQ(find(), (AwsCredentials{"env-id", "env-secret", "env-token"}));
  EXPECT_EQ(find({}, "default"), (AwsCredentials{"file-id", "file-secret"}));
  EXPECT_EQ(find({"id", "secret"}), (AwsCredentials{"id", "secret"}));
  EXPECT_EQ(find({"id", ""}).error().code, ErrorCode::kInvalidInput);
}

// People copy these files between tools: comments, blanks, nested keys and both kinds of section heads are all in use.
TEST_F(AwsCredentialsTest, ReadsProfilesAsOtherToolsDo) {
  write("config",
        "# of mine\n[default]\nregion=us-east-2\n\n[profile lake]\nregion = eu-central-1 ; near\ns3 =\n  region = nested\n"
        "endpoint_url = http://lake:9000\naws_access_key_id = config-id\n[services x]\nregion = wrong\n");
  write("credentials",
        "[lake]\r\naws_access_key_id=lake-id\r\naws_secret_access_key=a+b/c=\r\naws_session_token=t\r\n[other]\naws_access_key_id=no\n");
  variables_["AWS_CONFIG_FILE"] = "~/config";
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = folder_ / "credentials";
  EXPECT_EQ(settings()->region(), "us-east-2");
  variables_["AWS_PROFILE"] = "lake";
  EXPECT_EQ(find(), (AwsCredentials{"lake-id", "a+b/c=", "t"}));
  EXPECT_EQ(settings()->region(), "eu-central-1");
  EXPECT_EQ(settings()->endpoint_url("S3"), "http://lake:9000");
  variables_["AWS_ENDPOINT_URL"] = "http://all";
  EXPECT_EQ(settings()->endpoint_url("S3"), "http://all");
  variables_["AWS_ENDPOINT_URL_S3"] = "http://s3";
  EXPECT_EQ(settings()->endpoint_url("S3"), "http://s3");
  EXPECT_EQ(settings()->endpoint_url("STS"), "http://all");
  variables_["AWS_REGION"] = "eu-west-1";
  EXPECT_EQ(settings()->region(), "eu-west-1");
}

// A misspelt profile must not turn into somebody else's default credentials.
TEST_F(AwsCredentialsTest, RefusesProfilesThatAreNotThere) {
  write(".aws/credentials", "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n");
  EXPECT_THAT(settings("lkae").error().message, HasSubstr("\"lkae\""));
  variables_["AWS_PROFILE"] = "lkae";
  EXPECT_EQ(settings().error().code, ErrorCode::kInvalidInput);
}

// Without credentials the message must say where they may come from.
TEST_F(AwsCredentialsTest, SaysWhereCredentialsMayComeFrom) {
  EXPECT_THAT(find().error().message, HasSubstr("AWS_ACCESS_KEY_ID"));
  write(".aws/config", "[default]\ncredential_process = /bin/x\n");
  EXPECT_THAT(find().error().message, HasSubstr("credential_process"));
}

// In EKS the token in the file is replaced every hour: one read at the start expires.
TEST_F(AwsCredentialsTest, AssumesTheRoleOfAWebIdentity) {
  int round = 0;
  ScriptedServer sts([&](const ServedRequest&) {
    ++round;
    return ServedAnswer{
        .body = fmt::format("<AssumeRoleWithWebIdentityResponse xmlns=\"x\"><AssumeRoleWithWebIdentityResult><Credentials>"
                            "<AccessKeyId>id{}</AccessKeyId><SecretAccessKey>s&amp;t</SecretAccessKey><SessionToken>t</SessionToken>"
                            "<Expiration>{}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                            "</AssumeRoleWithWebIdentityResponse>",
                            round, in(1h))};
  });
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "a+b\n");
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  AwsCredentialChain chain({}, settings().value(), *http_, clock_);
  EXPECT_EQ(chain.get(context_), (AwsCredentials{"id1", "s&t", "t", parse_timestamp(in(1h))}));
  write("token", "second");
  clock_.advance(56min);
  EXPECT_EQ(chain.get(context_)->access_key_id, "id2");
  EXPECT_EQ(sts.requests().at(0).body,
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=sluice&"
            "WebIdentityToken=a%2Bb");
  EXPECT_THAT(sts.requests().at(1).body, HasSubstr("WebIdentityToken=second"));
}

// "Access denied" without the reason that STS gives leaves the user guessing.
TEST_F(AwsCredentialsTest, PassesOnWhyARoleWasRefused) {
  ScriptedServer sts([](const ServedRequest&) {
    return ServedAnswer{
        .status = 403,
        .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to be r</Message></Error></ErrorResponse>"};
  });
  write(".aws/config", "[default]\nrole_arn = r\nweb_identity_token_file = " + write("token", "t") + "\n");
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  EXPECT_THAT(find().error().message, HasSubstr("Not authorized to be r"));
}

// ECS and EKS hand credentials out only to who shows the token; and that token must not go to a stranger's host.
TEST_F(AwsCredentialsTest, AsksTheContainersEndpoint) {
  ScriptedServer container([&](const ServedRequest& request) {
    if (request.header("authorization") != "the token") return ServedAnswer{.status = 403};
    return ServedAnswer{.body = fmt::format(R"({{"AccessKeyId":"id","SecretAccessKey":"s","Token":"t","Expiration":"{}"}})", in(1h))};
  });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.url() + "/creds";
  EXPECT_THAT(find().error().message, HasSubstr("403"));
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "the token";
  EXPECT_EQ(find()->session_token, "t");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("token", "the token\n");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "old";
  EXPECT_EQ(find()->session_token, "t");
  EXPECT_EQ(container.requests().back().target, "/creds");
  for (const char* stranger : {"http://example.org/creds", "http://127.0.0.1.example.org/creds"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = stranger;
    EXPECT_THAT(find().error().message, HasSubstr("without TLS"));
  }
}

// The version without a session token is switched off on most instances.
TEST_F(AwsCredentialsTest, AsksTheInstanceWithASessionToken) {
  ScriptedServer instance([&](const ServedRequest& request) {
    if (request.method == "PUT") return ServedAnswer{.body = "session"};
    if (request.header("x-aws-ec2-metadata-token") != "session") return ServedAnswer{.status = 401};
    if (request.target.ends_with("/security-credentials/")) return ServedAnswer{.body = "role-1"};
    return ServedAnswer{.body = fmt::format(R"({{"AccessKeyId":"id","SecretAccessKey":"s","Token":"t","Expiration":"{}"}})", in(1h))};
  });
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = instance.url() + "/";
  EXPECT_EQ(find(), (AwsCredentials{"id", "s", "t", parse_timestamp(in(1h))}));
  EXPECT_EQ(instance.requests().at(0).target, "/latest/api/token");
  EXPECT_EQ(instance.requests().back().target, "/latest/meta-data/iam/security-credentials/role-1");
}

/// Hands out numbered credentials that live an hour, or refuses.
class RenewalTest : public AwsCredentialsTest {
 protected:
  RenewalTest()
      : server_([this](const ServedRequest&) {
          if (refuses_) return ServedAnswer{.status = 403};
          const int round = ++rounds_;
          while (is_slow_ && waiting_ < 7) std::this_thread::yield();
          return ServedAnswer{
              .body = fmt::format(R"({{"AccessKeyId":"id{}","SecretAccessKey":"s","Token":"t","Expiration":"{}"}})", round, in(1h))};
        }) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url();
    chain_.emplace(AwsCredentials{}, settings().value(), *http_, clock_);
  }
  std::string id() { return chain_->get(context_).value().access_key_id; }

  std::atomic<bool> refuses_ = false, is_slow_ = false;
  std::atomic<int> rounds_ = 0, waiting_ = 0;
  ScriptedServer server_;
  std::optional<AwsCredentialChain> chain_;
};

// Credentials that expire in the middle of an upload fail it; asking for them with every request gets the host throttled.
TEST_F(RenewalTest, RenewsBeforeTheyExpireAndNotMoreOften) {
  EXPECT_EQ(chain_->latest(), std::nullopt);
  EXPECT_EQ(id(), "id1");
  clock_.advance(54min);
  EXPECT_EQ(id(), "id1");
  clock_.advance(2min);
  EXPECT_EQ(id(), "id2");
  EXPECT_EQ(chain_->latest()->access_key_id, "id2");
}

// A token service that is down for a moment must not stop a run whose credentials still hold.
TEST_F(RenewalTest, GoesOnWithTheOldOnesWhileTheyHold) {
  EXPECT_EQ(id(), "id1");
  clock_.advance(56min);
  refuses_ = true;
  EXPECT_EQ(id(), "id1");
  const size_t asked = server_.requests().size();
  EXPECT_EQ(id(), "id1");
  EXPECT_EQ(server_.requests().size(), asked);  // not asked again at once
  clock_.advance(5min);
  EXPECT_EQ(chain_->get(context_).error().code, ErrorCode::kInvalidInput);
  refuses_ = false;
  EXPECT_EQ(id(), "id2");
}

// A hundred requests that find the credentials expired must not ask a hundred times.
TEST_F(RenewalTest, AsksOnceForAllWhoWait) {
  is_slow_ = true;
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ++waiting_;
      Context context;
      good += chain_->get(context).has_value();
    });
  }
  threads.clear();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(rounds_, 1);
}

}  // namespace
}  // namespace sluice
