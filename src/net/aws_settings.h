// What AWS's tools agree on: environment variables and the shared config and credentials files with their profiles.
// https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html. A value: files are read once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice {

/// The value of a variable; nullopt: not set. Stands in for the process's environment in tests.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

Environment process_environment();

class AwsSettings {
 public:
  /// Reads ~/.aws/config and ~/.aws/credentials, or the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name; a file that is
  /// not there is empty. `profile` empty: AWS_PROFILE, else "default".
  /// kInvalidInput: a profile that was asked for by name is in neither file.
  static Result<AwsSettings> load(Environment environment, std::string profile = "");

  /// Not set and set to nothing are the same.
  std::optional<std::string> variable(std::string_view name) const;
  /// A key of the profile; the credentials file wins.
  std::optional<std::string> profile_value(const std::string& key) const;
  const std::string& profile() const { return profile_; }
  /// The profile was asked for where it outranks variables that hold keys.
  bool profile_is_explicit() const { return profile_is_explicit_; }

  /// AWS_REGION, AWS_DEFAULT_REGION, the profile's; empty: none.
  std::string region() const;
  /// Of a service ("S3", "STS"): AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's endpoint_url; empty: AWS's own.
  std::string endpoint_url(std::string_view service) const;

 private:
  AwsSettings(Environment environment, std::string profile, bool is_explicit)
      : environment_(std::move(environment)), profile_(std::move(profile)), profile_is_explicit_(is_explicit) {}

  std::string file_path(std::string_view variable_name, std::string_view below_home) const;
  bool read_file(const std::string& path, bool is_config);

  Environment environment_;
  std::string profile_;
  bool profile_is_explicit_;
  std::map<std::string, std::string> values_;  // of the profile
};

}  // namespace sluice
