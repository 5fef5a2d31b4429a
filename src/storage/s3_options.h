// How to reach an S3 service: what properties, environment and profile together say. And what a key of it is. Values.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "model/ingestion.h"
#include "net/aws_settings.h"
#include "net/http.h"
#include "net/sigv4.h"

namespace sluice {

inline constexpr std::string_view kS3DefaultRegion = "us-east-1";

struct S3Options {
  std::string endpoint;  ///< "http://host:9000" without a final slash; empty: AWS's own of the region
  std::string region{kS3DefaultRegion};
  bool path_style = false;  ///< "endpoint/bucket/key", else "bucket.endpoint/key"
  bool anonymous = false;   ///< unsigned requests
  AwsCredentials credentials;
  std::string profile;
  HttpOptions http;
  int attempts_max = 8;                        ///< of a request that the service did not carry out
  std::chrono::milliseconds retry_delay{100};  ///< before the second attempt; doubles up to the next
  std::chrono::milliseconds retry_delay_max{10'000};
};

/// Iceberg's names: s3.endpoint, s3.region or client.region, s3.path-style-access (default: with an endpoint), s3.access-key-id,
/// s3.secret-access-key, s3.session-token; and s3.profile, s3.anonymous, s3.ca-file, s3.connect-timeout-ms, s3.read-timeout-ms,
/// s3.request-timeout-ms, s3.connections-max. What they leave open comes from AWS_* variables and the profile.
/// kInvalidInput: a value that is none, an endpoint without scheme.
Result<S3Options> s3_options(const Properties& properties, const AwsSettings& settings);

/// The profile that `properties` ask for; empty: whatever AWS_PROFILE says.
std::string s3_profile(const Properties& properties);

/// "s3://bucket/key", taken apart. `s3a` and `s3n` mean the same service.
struct S3Address {
  std::string scheme;
  std::string bucket;
  std::string key;  ///< raw; may be empty

  std::string text() const { return scheme + "://" + bucket + "/" + key; }
  /// kInvalidInput: another scheme, or no bucket.
  static Result<S3Address> parse(std::string_view uri);
};

bool is_s3(std::string_view uri);

/// The URL of an object (`key` raw) or, with an empty key, of the bucket; `query` is encoded and may be empty.
std::string s3_url(const S3Options& options, std::string_view bucket, std::string_view key, std::string_view query);

}  // namespace sluice
