// HTTP requests to object stores, catalogs and token servers. Implementations are thread-safe, keep connections open and have many
// requests in flight. They follow no redirects, retry nothing and know no meaning of a status: that is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "base/units.h"

namespace sluice {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;  ///< with scheme and query, percent-encoded as it goes over the wire
  HttpHeaders headers = {};
  std::shared_ptr<const std::string> body = nullptr;  ///< sent with Content-Length; nullptr: none
  int64_t response_bytes_max = 64 * kMiB;             ///< a longer body is kCorruption
  std::chrono::milliseconds total_timeout{0};         ///< where it is to be shorter than the client's; 0: the client's
  std::chrono::milliseconds delay{0};                 ///< goes out no earlier than this after send(): backoff without a waiting thread
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;

  /// The first header of this name (case does not matter); nullopt: none.
  std::optional<std::string_view> header(std::string_view name) const;
};

/// The first header of this name in `headers` (case does not matter); nullopt: none.
std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

/// "Wed, 21 Oct 2015 07:28:00 GMT"; nullopt: no such date.
std::optional<Timestamp> parse_http_date(std::string_view text);

/// Completes a request, exactly once. May run on a thread of the client: do little there, and never wait there for another request.
using HttpDone = std::function<void(Result<HttpResponse>)>;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Returns at once. Any status is a response. Errors:
  /// - kUnavailable: the request cannot have been carried out: no connection, or nothing of it was sent;
  /// - kOutcomeUnknown: it was sent, at least in part, and no whole answer came (reset, short body, time limit). For a request that
  ///   changes nothing this is as good as kUnavailable;
  /// - kInvalidInput: a bad URL, or the certificate was not accepted;
  /// - kCancelled: the context was stopped, or the client goes away. What was sent by then may have been carried out.
  /// The context's deadline is one more time limit. No request is sent twice, except a GET or HEAD whose kept connection was dead.
  virtual void send(HttpRequest request, Context context, HttpDone done) = 0;
};

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{30'000};    ///< no byte in either direction for this long
  std::chrono::milliseconds total_timeout{300'000};  ///< of one request
  int connections_max = 64;                          ///< per host
  std::string ca_file = {};                          ///< PEM; empty: the system's

  bool operator==(const HttpOptions&) const = default;
};

/// A client on libcurl with one thread of its own: HTTP/1.1, TLS verified, proxies as in the environment (`http_proxy`, `https_proxy`,
/// `no_proxy`). Destroying it completes what is still under way with kCancelled. kInvalidInput: `ca_file` cannot be read.
Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options);

/// Blocks until the request completes, or the context is stopped or past its deadline.
Result<HttpResponse> send_now(HttpClient& client, HttpRequest request, Context& context);

}  // namespace sluice
