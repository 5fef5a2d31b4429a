// An HTTP/1.1 server on loopback whose answers a test writes, the ones that real servers give only on bad days among them. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/http.h"

namespace sluice {

struct ServedRequest {
  std::string method;
  std::string target;  ///< path and query as they came over the wire
  HttpHeaders headers;
  std::string body;
  int connection = 0;  ///< 1: the first one that was opened

  /// The header's value; empty: none.
  std::string header(std::string_view name) const { return std::string(find_header(headers, name).value_or("")); }
};

struct ServedAnswer {
  int status = 200;
  HttpHeaders headers = {};
  std::string body = {};
  int64_t body_bytes_max = -1;  ///< the connection is closed after so many bytes of the body; -1: sent whole
  bool silent = false;          ///< the connection is closed without an answer
  bool never = false;           ///< no answer as long as the server lives
};

class ScriptedServer {
 public:
  /// Called on one thread per connection, so several at once.
  using Script = std::function<ServedAnswer(const ServedRequest&)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  std::string url() const;  ///< "http://127.0.0.1:port"
  std::vector<ServedRequest> requests() const;
  int connections() const;
  int most_at_once() const;  ///< requests that were being answered at the same time, at most

 private:
  void accept_connections();
  void serve(int socket, int number);
  bool answer(int socket, const ServedRequest& request);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable closing_changed_;
  // Protected by mutex_.
  bool closing_ = false;
  std::vector<int> sockets_;
  std::list<std::thread> threads_;
  std::vector<ServedRequest> requests_;
  int under_way_ = 0;
  int most_at_once_ = 0;

  std::thread acceptor_;
};

}  // namespace sluice
