// Signed requests to one S3 service, repeated where that is harmless. Thread-safe; what is under way outlives it, not the HttpClient.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "net/aws_credentials.h"
#include "net/http.h"
#include "storage/s3_options.h"

namespace sluice {

struct S3Call {
  std::string method = "GET";
  std::string bucket;
  std::string key;    ///< raw; empty: the bucket itself
  std::string query;  ///< encoded, without "?"
  HttpHeaders headers = {};
  std::shared_ptr<const std::string> body = nullptr;
  bool repeatable = true;  ///< carrying it out twice is as good as once
  int64_t response_bytes_max = 64 * kMiB;
};

class S3Client {
 public:
  S3Client(S3Options options, AwsSettings settings, HttpClient& http, Clock& clock);

  /// The answer, of any status but those that say "not now": throttling, 5xx and conflicts of requests at the same moment are repeated
  /// with growing, jittered delays, and so is what brought no answer. May block while credentials are fetched, else completes on a thread
  /// of the HTTP client. Errors: kUnavailable: given up; it was not carried out, or is harmless to repeat; kOutcomeUnknown: not repeatable,
  /// and it may have been carried out; others as of HttpClient and AwsCredentialChain.
  void send(S3Call call, Context context, HttpDone done);
  Result<HttpResponse> call(S3Call call, Context& context);

  const S3Options& options() const;
  Clock& clock() const;

 private:
  friend class S3Exchange;
  struct Core;
  std::shared_ptr<Core> core_;
};

/// What an answer that refuses means: "s3://b/k: writing: 403 AccessDenied: no (http://...)". kNotFound: the object is not there;
/// kConflict: a condition does not hold; kInvalidInput: keys, bucket, region or permission; kUnavailable: else.
Error s3_refusal(const HttpResponse& response, std::string_view doing, std::string_view uri, const S3Options& options);

}  // namespace sluice
