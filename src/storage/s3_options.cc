#include "storage/s3_options.h"

#include <charconv>

#include <fmt/format.h>

#include "net/percent.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

std::string value_of(const Properties& properties, const std::string& name) {
  const auto at = properties.find(name);
  return at == properties.end() ? std::string() : at->second;
}

Result<bool> flag(const Properties& properties, const std::string& name, bool otherwise) {
  const std::string value = value_of(properties, name);
  if (value.empty()) return otherwise;
  if (value == "true") return true;
  if (value == "false") return false;
  return invalid_input(fmt::format("{} is true or false, not \"{}\"", name, value));
}

Result<int64_t> number(const Properties& properties, const std::string& name, int64_t otherwise) {
  const std::string value = value_of(properties, name);
  if (value.empty()) return otherwise;
  int64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result <= 0) {
    return invalid_input(fmt::format("{} is a number above 0, not \"{}\"", name, value));
  }
  return result;
}

Result<std::string> checked_endpoint(std::string endpoint) {
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return invalid_input(fmt::format("the S3 endpoint \"{}\" needs its scheme: http:// or https://", endpoint));
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

std::string aws_endpoint(const std::string& region) {
  return fmt::format("https://s3.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
}

}  // namespace

std::string s3_profile(const Properties& properties) { return value_of(properties, "s3.profile"); }

Result<S3Options> s3_options(const Properties& properties, const AwsSettings& settings) {
  S3Options options;
  const auto first_of = [](std::string a, std::string b) { return a.empty() ? b : a; };
  options.endpoint = first_of(value_of(properties, "s3.endpoint"), settings.endpoint_url("S3"));
  if (!options.endpoint.empty()) {
    TRY_ASSIGN(options.endpoint, checked_endpoint(options.endpoint));
  }
  options.region = first_of(value_of(properties, "s3.region"), value_of(properties, "client.region"));
  options.region = first_of(first_of(options.region, settings.region()), std::string(kS3DefaultRegion));
  TRY_ASSIGN(options.path_style, flag(properties, "s3.path-style-access", !options.endpoint.empty()));
  TRY_ASSIGN(options.anonymous, flag(properties, "s3.anonymous", false));
  options.credentials = {value_of(properties, "s3.access-key-id"), value_of(properties, "s3.secret-access-key"),
                         value_of(properties, "s3.session-token")};
  options.profile = s3_profile(properties);
  options.http.ca_file = first_of(value_of(properties, "s3.ca-file"), settings.variable("AWS_CA_BUNDLE").value_or(""));
  using std::chrono::milliseconds;
  TRY_ASSIGN(const int64_t connect_ms, number(properties, "s3.connect-timeout-ms", options.http.connect_timeout.count()));
  TRY_ASSIGN(const int64_t read_ms, number(properties, "s3.read-timeout-ms", options.http.idle_timeout.count()));
  TRY_ASSIGN(const int64_t request_ms, number(properties, "s3.request-timeout-ms", options.http.total_timeout.count()));
  TRY_ASSIGN(const int64_t connections, number(properties, "s3.connections-max", options.http.connections_max));
  options.http.connect_timeout = milliseconds(connect_ms);
  options.http.idle_timeout = milliseconds(read_ms);
  options.http.total_timeout = milliseconds(request_ms);
  options.http.connections_max = static_cast<int>(connections);
  return options;
}

bool is_s3(std::string_view uri) {
  const std::string_view scheme = scheme_of(uri);
  return scheme == "s3" || scheme == "s3a" || scheme == "s3n";
}

Result<S3Address> S3Address::parse(std::string_view uri) {
  if (!is_s3(uri)) return invalid_input(fmt::format("{}: not s3://bucket/key", uri));
  S3Address address;
  address.scheme = scheme_of(uri);
  uri.remove_prefix(address.scheme.size() + 3);
  const size_t slash = std::min(uri.find('/'), uri.size());
  address.bucket = uri.substr(0, slash);
  if (slash < uri.size()) address.key = uri.substr(slash + 1);
  const bool is_name =
      address.bucket.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == std::string::npos;
  if (address.bucket.empty() || !is_name) {
    return invalid_input(fmt::format("{}://{}: not the name of a bucket; write s3://bucket/key", address.scheme, uri));
  }
  return address;
}

std::string s3_url(const S3Options& options, std::string_view bucket, std::string_view key, std::string_view query) {
  const std::string endpoint = options.endpoint.empty() ? aws_endpoint(options.region) : options.endpoint;
  const size_t host = endpoint.find("://") + 3;
  // A wildcard certificate does not cover a bucket's name with dots.
  const bool in_path = options.path_style || (endpoint.starts_with("https://") && bucket.contains('.'));
  std::string url =
      in_path ? fmt::format("{}/{}/", endpoint, bucket) : fmt::format("{}{}.{}/", endpoint.substr(0, host), bucket, endpoint.substr(host));
  url += percent_encode_path(key);
  if (!query.empty()) url.append("?").append(query);
  return url;
}

}  // namespace sluice
