#include "net/scripted_server.h"

#include <algorithm>
#include <cstdlib>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr int kBacklog = 256;
constexpr size_t kReadBytes = 64 * kKiB;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

/// Reads on until `buffer` holds `bytes`; false: the other side has closed.
bool fill(int socket, std::string& buffer, size_t bytes) {
  while (buffer.size() < bytes) {
    const size_t had = buffer.size();
    buffer.resize(had + kReadBytes);
    const ssize_t count = ::recv(socket, buffer.data() + had, kReadBytes, 0);
    buffer.resize(had + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count <= 0) return false;
  }
  return true;
}

std::optional<ServedRequest> read_request(int socket, std::string& buffer) {
  size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!fill(socket, buffer, buffer.size() + 1)) return std::nullopt;
  }
  ServedRequest request;
  const std::string head = buffer.substr(0, end + 2);
  size_t line = head.find("\r\n");
  const size_t space = head.find(' ');
  request.method = head.substr(0, space);
  request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  for (size_t begin = line + 2; begin < head.size(); begin = line + 2) {
    line = head.find("\r\n", begin);
    const size_t colon = head.find(':', begin);
    const size_t value = head.find_first_not_of(' ', colon + 1);
    request.headers.emplace_back(head.substr(begin, colon - begin), head.substr(value, line - value));
  }
  const size_t body = std::strtoull(request.header("content-length").c_str(), nullptr, 10);
  if (!fill(socket, buffer, end + 4 + body)) return std::nullopt;
  request.body = buffer.substr(end + 4, body);
  buffer.erase(0, end + 4 + body);
  return request;
}

}  // namespace

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, kBacklog) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

ScriptedServer::~ScriptedServer() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  closing_changed_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  for (const int socket : sockets_) ::close(socket);
  ::close(listener_);
}

std::string ScriptedServer::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

std::vector<ServedRequest> ScriptedServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

int ScriptedServer::connections() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(sockets_.size());
}

int ScriptedServer::most_at_once() const {
  std::lock_guard lock(mutex_);
  return most_at_once_;
}

void ScriptedServer::accept_connections() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    if (closing_) return;
    threads_.emplace_back([this, socket, number = static_cast<int>(sockets_.size())] { serve(socket, number); });
  }
}

void ScriptedServer::serve(int socket, int number) {
  std::string buffer;
  while (std::optional<ServedRequest> request = read_request(socket, buffer)) {
    request->connection = number;
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(*request);
      most_at_once_ = std::max(most_at_once_, ++under_way_);
    }
    const bool go_on = answer(socket, *request);
    std::lock_guard lock(mutex_);
    --under_way_;
    if (!go_on) break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

bool ScriptedServer::answer(int socket, const ServedRequest& request) {
  const ServedAnswer answer = script_(request);
  if (answer.silent) return false;
  if (answer.never) {
    std::unique_lock lock(mutex_);
    closing_changed_.wait(lock, [this] { return closing_; });
    return false;
  }
  std::string head = fmt::format("HTTP/1.1 {} Scripted\r\n", answer.status);
  for (const auto& [name, value] : answer.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (!find_header(answer.headers, "content-length")) head += fmt::format("Content-Length: {}\r\n", answer.body.size());
  head += "\r\n";
  std::string_view body = request.method == "HEAD" ? std::string_view() : answer.body;
  const bool cut = answer.body_bytes_max >= 0;
  if (cut) body = body.substr(0, static_cast<size_t>(answer.body_bytes_max));
  return send_all(socket, head + std::string(body)) && !cut;
}

}  // namespace sluice
