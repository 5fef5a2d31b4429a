#include "net/sigv4.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/ascii.h"
#include "net/digest.h"
#include "net/percent.h"

namespace sluice {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct UrlParts {
  std::string_view scheme, authority, path, query;
};

UrlParts split_url(std::string_view url) {
  UrlParts parts;
  const size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) {
    parts.scheme = url.substr(0, scheme);
    url.remove_prefix(scheme + 3);
  }
  url = url.substr(0, url.find('#'));
  const size_t path = std::min(url.find_first_of("/?"), url.size());
  parts.authority = url.substr(0, path);
  url.remove_prefix(path);
  const size_t query = std::min(url.find('?'), url.size());
  parts.path = url.substr(0, query);
  if (query < url.size()) parts.query = url.substr(query + 1);
  return parts;
}

/// Without "." and "..", and with one slash where there are several.
std::string normalized(std::string_view path) {
  std::vector<std::string_view> segments;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string_view segment : segments) out.append("/").append(segment);
  const bool folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  if (out.empty() || folder) out += '/';
  return out;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (size_t at = 0; at < query.size();) {
    const size_t end = std::min(query.find('&', at), query.size());
    const std::string_view parameter = query.substr(at, end - at);
    at = end + 1;
    if (parameter.empty()) continue;
    const size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string_view value = equals < parameter.size() ? parameter.substr(equals + 1) : std::string_view();
    parameters.emplace_back(percent_encode(percent_decode(parameter.substr(0, equals))), percent_encode(percent_decode(value)));
  }
  std::ranges::sort(parameters);
  std::string out;
  for (const auto& [name, value] : parameters) out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, value);
  return out;
}

/// Without blanks around it, and with one where there are several.
std::string with_single_blanks(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

/// Lower-case names, sorted; several of one name are joined by commas.
std::map<std::string, std::string> canonical_headers(const HttpRequest& request) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) {
    const std::string key = lower_case(name);
    if (key == "authorization" || key == "connection" || key == "user-agent" || key == "expect") continue;
    auto [at, is_new] = headers.try_emplace(key, with_single_blanks(value));
    if (!is_new) at->second += "," + with_single_blanks(value);
  }
  headers.try_emplace("host", host_header(request.url));
  return headers;
}

/// Takes the place of what an earlier signing left. An empty value: no header.
void set_header(HttpHeaders& headers, std::string_view name, std::string value) {
  std::erase_if(headers, [&](const auto& header) { return lower_case(header.first) == name; });
  if (!value.empty()) headers.emplace_back(name, std::move(value));
}

/// "20150830T123600Z"
std::string compact_time(Timestamp time) {
  std::string text = to_text(time).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

}  // namespace

std::string host_header(std::string_view url) {
  const UrlParts parts = split_url(url);
  std::string_view host = parts.authority.substr(std::min(parts.authority.rfind('@') + 1, parts.authority.size()));
  const std::string_view own_port = lower_case(parts.scheme) == "https" ? ":443" : ":80";
  if (host.ends_with(own_port)) host.remove_suffix(own_port.size());
  return std::string(host);
}

SigV4Signer::SigV4Signer(std::string region, std::string service, Clock& clock)
    : region_(std::move(region)), service_(std::move(service)), clock_(clock) {}

void SigV4Signer::sign(HttpRequest& request, const AwsCredentials& credentials) {
  const bool is_s3 = service_ == "s3";
  const std::string time = compact_time(clock_.now());
  const std::string day = time.substr(0, 8);
  const UrlParts url = split_url(request.url);
  const bool has_body = request.body && !request.body->empty();
  const bool over_tls = lower_case(url.scheme) == "https";

  std::string payload = is_s3 && has_body && over_tls ? std::string(kUnsignedPayload)
                                                      : to_hex(bytes_of(sha256(has_body ? std::string_view(*request.body) : "")));
  set_header(request.headers, "x-amz-date", time);
  if (is_s3) set_header(request.headers, "x-amz-content-sha256", payload);
  set_header(request.headers, "x-amz-security-token", credentials.session_token);

  std::string header_lines, names;
  for (const auto& [name, value] : canonical_headers(request)) {
    header_lines += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string path = is_s3 ? std::string(url.path) : percent_encode_path(normalized(url.path));
  const std::string canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, path.empty() ? "/" : path, canonical_query(url.query),
                                            header_lines, names, payload);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region_, service_);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope, to_hex(bytes_of(sha256(canonical))));
  const std::string signature = to_hex(bytes_of(hmac_sha256(signing_key(day, credentials.secret_access_key), to_sign)));
  set_header(
      request.headers, "authorization",
      fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm, credentials.access_key_id, scope, names, signature));
}

std::string SigV4Signer::signing_key(std::string_view day, const std::string& secret) {
  std::lock_guard lock(mutex_);
  if (key_day_ != day || key_secret_ != secret) {
    const Sha256 date = hmac_sha256("AWS4" + secret, day);
    const Sha256 region = hmac_sha256(bytes_of(date), region_);
    const Sha256 service = hmac_sha256(bytes_of(region), service_);
    key_ = bytes_of(hmac_sha256(bytes_of(service), "aws4_request"));
    key_day_ = day;
    key_secret_ = secret;
  }
  return key_;
}

}  // namespace sluice
