// AWS Signature Version 4 in the Authorization header: S3, and services that follow the general rules (glue, s3tables, sts).
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http.h"

namespace sluice {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token = {};            ///< empty: none
  std::optional<Timestamp> expires_at = {};  ///< nullopt: never

  bool operator==(const AwsCredentials&) const = default;
};

class SigV4Signer {
 public:
  /// `service` is the signing name: "s3", "glue", "s3tables". Under "s3" the path is signed as it is on the wire, and
  /// x-amz-content-sha256 is added: the body's hash, over TLS UNSIGNED-PAYLOAD (then the transport and the checksums vouch for it).
  /// Every other service has its path normalized and encoded once more before it is signed.
  SigV4Signer(std::string region, std::string service, Clock& clock);

  /// Adds x-amz-date, x-amz-security-token and Authorization over all headers that the request has, and its host.
  void sign(HttpRequest& request, const AwsCredentials& credentials);

 private:
  std::string signing_key(std::string_view day, const std::string& secret);

  const std::string region_;
  const std::string service_;
  Clock& clock_;

  std::mutex mutex_;
  // Protected by mutex_: the key of a day costs four HMACs.
  std::string key_day_;
  std::string key_secret_;
  std::string key_;
};

/// "host[:port]" as it stands in the Host header of a request to `url`: the scheme's own port is left out.
std::string host_header(std::string_view url);

}  // namespace sluice
