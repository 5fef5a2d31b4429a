// AWS credentials from wherever this machine has them, renewed before they expire. Thread-safe; one renewal at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "net/aws_settings.h"
#include "net/http.h"
#include "net/sigv4.h"

namespace sluice {

class AwsCredentialChain {
 public:
  /// The first source that there is decides, an error of it is not passed over: `configured` (where it has a key); AWS_ACCESS_KEY_ID
  /// and AWS_SECRET_ACCESS_KEY (unless the profile is explicit); a web identity (AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN); the
  /// profile's keys or its web identity; the container's endpoint (ECS, EKS); the instance's (IMDSv2).
  AwsCredentialChain(AwsCredentials configured, AwsSettings settings, HttpClient& http, Clock& clock);

  /// May block while they are fetched. kInvalidInput: there are none, or what there is cannot be used; kUnavailable: whoever hands them
  /// out does not answer (and those at hand have expired); kCancelled.
  Result<AwsCredentials> get(Context& context);

  /// What was fetched last, maybe expired by now; nullopt: nothing yet. Never blocks.
  std::optional<AwsCredentials> latest() const;

 private:
  bool is_usable(Timestamp now) const;
  bool is_fresh(Timestamp now) const;
  Result<AwsCredentials> fetch(Context& context);
  Result<AwsCredentials> from_profile(Context& context);
  Result<AwsCredentials> from_web_identity(const std::string& token_file, const std::string& role, const std::string& session,
                                           Context& context);
  Result<AwsCredentials> from_container(Context& context);
  Result<AwsCredentials> from_instance(Context& context);
  Result<HttpResponse> ask(HttpRequest request, Context& context, int attempts_max);

  const AwsCredentials configured_;
  const AwsSettings settings_;
  HttpClient& http_;
  Clock& clock_;

  mutable std::mutex mutex_;
  std::condition_variable_any fetched_;
  // Protected by mutex_.
  std::optional<AwsCredentials> latest_;
  std::optional<Error> error_;  // of the last round, where it failed
  Timestamp try_again_at_;
  int64_t rounds_ = 0;
  bool fetching_ = false;
};

}  // namespace sluice
