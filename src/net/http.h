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
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;

  /// The first header of this name (case does not matter); nullopt: none.
  std::optional<std::string_view> header(std::string_view name) const;
};

/// Completes a request. May run on a thread of the client: do little there.
using HttpDone = std::function<void(Result<HttpResponse>)>;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Any status is a response. Errors: kUnavailable: the request cannot have been carried out (no connection, or nothing of it was sent);
  /// kOutcomeUnknown: it was sent, at least in part, and no whole answer came (reset, short body, time limit): for a request that changes
  /// nothing this is as good as kUnavailable; kInvalidInput: a bad URL, or the certificate was not accepted; kCancelled.
  virtual void send(HttpRequest request, Context context, HttpDone done) = 0;
};

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{30'000};    ///< no byte in either direction for this long
  std::chrono::milliseconds total_timeout{300'000};  ///< of one request
  int connections_max = 64;                          ///< per host
  std::string ca_file;                               ///< PEM; empty: the system's
};

/// A client on libcurl with one thread of its own.
Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options);

/// Blocks until the request completes, or the context is stopped or past its deadline.
Result<HttpResponse> send_now(HttpClient& client, HttpRequest request, Context& context);

}  // namespace sluice
