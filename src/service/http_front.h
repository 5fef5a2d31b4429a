// The HTTP side: cpp-httplib parses and answers, this keeps its connections. One thread holds all connections and collects each request
// whole, within limits of size and time; only whole requests are given to the few threads that answer. So a client that is slow, or a
// thousand of them, costs a buffer and never a thread. Knows no route.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace sluice {

struct HttpLimits {
  size_t head_bytes_max = 16 * 1024;     ///< request line and headers
  size_t body_bytes_max = 1024 * 1024;   ///< more is 413
  std::chrono::seconds request_max{10};  ///< from a request's first byte to its last; more is 408
  std::chrono::seconds idle_max{30};     ///< between requests
  std::chrono::seconds answer_max{10};   ///< to take an answer
  size_t connections_max = 1000;         ///< one more takes the place of an idle one; where all are at work it is refused with 503
  int threads = 8;                       ///< that answer
};

struct ServerRequest {
  std::string method;
  std::string path;                                         ///< decoded
  std::vector<std::pair<std::string, std::string>> query;   ///< decoded, in order
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case; the first of each
  std::string body;
  std::string peer;  ///< address
};

struct ServerResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Called from several threads at once; must not throw.
using HttpHandler = std::function<ServerResponse(const ServerRequest&)>;

class HttpFront {
 public:
  /// Binds and listens. `port` 0: any free one. GET of `express_path` has a thread of its own, and so an answer while all others wait for
  /// something. kInvalidInput: the address cannot be used.
  static Result<std::unique_ptr<HttpFront>> listen(const std::string& host, int port, const HttpLimits& limits, HttpHandler handler,
                                                   std::string_view express_path);
  ~HttpFront();
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  int port() const;
  /// Serves until `stop` is requested; then no new request is taken, and those in hand are answered.
  void serve(std::stop_token stop);

 private:
  class Connections;
  explicit HttpFront(std::unique_ptr<Connections> connections);

  std::unique_ptr<Connections> connections_;
};

/// What the head of a request says about its length. Pure.
struct RequestFrame {
  size_t head_bytes = 0;  ///< with the blank line; 0: the head is not complete
  size_t body_bytes = 0;
  bool wants_continue = false;  ///< "Expect: 100-continue"
  bool is_last = false;         ///< "Connection: close", or HTTP/1.0
  int refusal = 0;              ///< an HTTP status: 400, 411, 413, 415, 431, 505; 0: none
};
RequestFrame frame_request(const std::string& received, const HttpLimits& limits);

}  // namespace sluice
