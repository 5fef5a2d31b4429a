#include "service/http_front.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <httplib.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "base/ascii.h"

namespace sluice {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kBacklog = 512;
constexpr size_t kReadBytes = 16 * 1024;
constexpr int kTickMs = 200;  // how late a time limit may be noticed
constexpr int kStopSeconds = 5;
constexpr auto kDropMax = std::chrono::seconds(2);  // how long a refused client may go on sending

}  // namespace

class SocketDescriptor {
 public:
  explicit SocketDescriptor(int fd = -1) : fd_(fd) {}
  SocketDescriptor(SocketDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SocketDescriptor& operator=(SocketDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~SocketDescriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// A whole request to read from, and the socket to answer on within a time.
class AnswerStream final : public httplib::Stream {
 public:
  AnswerStream(std::string_view request, int socket, std::string peer, SteadyClock::time_point deadline)
      : request_(request), socket_(socket), peer_(std::move(peer)), deadline_(deadline) {}

  bool is_readable() const override { return !request_.empty(); }
  bool is_writable() const override { return !failed_; }
  ssize_t read(char* into, size_t size) override {
    const size_t count = std::min(size, request_.size());
    std::memcpy(into, request_.data(), count);
    request_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* bytes, size_t size) override {
    for (size_t sent = 0; sent < size && !failed_;) {
      const ssize_t count = ::send(socket_, bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) {
        sent += static_cast<size_t>(count);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - SteadyClock::now()).count();
        pollfd wait{socket_, POLLOUT, 0};
        failed_ = left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0;
      } else if (errno != EINTR) {
        failed_ = true;
      }
    }
    return failed_ ? -1 : static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = peer_, port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  int socket() const override { return socket_; }
  bool failed() const { return failed_; }

 private:
  std::string_view request_;
  const int socket_;
  const std::string peer_;
  const SteadyClock::time_point deadline_;
  bool failed_ = false;
};

/// httplib without its sockets: one request from a stream to its answer.
class Answerer final : public httplib::Server {
 public:
  Answerer(const HttpLimits& limits, HttpHandler handler) : handler_(std::move(handler)) {
    set_payload_max_length(limits.body_bytes_max);
    set_keep_alive_max_count(1000);
    set_keep_alive_timeout(limits.idle_max.count());
    const auto call = [this](const httplib::Request& request, httplib::Response& response) { answer(request, response); };
    Get(".*", call), Post(".*", call), Put(".*", call), Patch(".*", call), Delete(".*", call), Options(".*", call);
    // What httplib has no handler for (TRACE, ...) is a method that no route has.
    set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) answer(request, response);
    });
  }

  /// False: the connection must close.
  bool answer_one(AnswerStream& stream, bool last) {
    bool closed = false;
    const bool done = process_request(stream, last, closed, nullptr);
    return done && !closed && !stream.failed();
  }

 private:
  void answer(const httplib::Request& request, httplib::Response& response) const {
    const std::string method = request.method.empty() ? std::string(1, '?') : request.method;
    ServerRequest ours{.method = method, .path = request.path, .body = request.body, .peer = request.remote_addr};
    for (const auto& [name, value] : request.params) ours.query.emplace_back(name, value);
    for (const auto& [name, value] : request.headers) {
      ours.headers.emplace(lower_case(name), value);
    }
    ServerResponse answer = handler_(ours);
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
    if (!answer.body.empty()) response.set_content(answer.body, answer.content_type);
  }

  const HttpHandler handler_;
};

namespace {

std::string peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  char text[NI_MAXHOST] = "";
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    ::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  }
  return text;
}

/// A short answer to what was no request, without httplib.
std::string refusal_text(int status) {
  const std::string body = fmt::format(R"({{"error":{{"code":"invalid_input","message":"{}","details":[]}}}})",
                                       status == 408   ? "the request did not arrive in time"
                                       : status == 411 ? "send Content-Length, not Transfer-Encoding"
                                       : status == 413 ? "the body is too large"
                                       : status == 415 ? "send the body as it is, without Content-Encoding"
                                       : status == 431 ? "the headers are too large"
                                       : status == 503 ? "too many connections"
                                                       : "this is no HTTP/1.1 request");
  return fmt::format("HTTP/1.1 {} Refused\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", status,
                     body.size(), status == 503 ? "Retry-After: 1\r\n" : "", body);
}

void send_at_once(int socket, std::string_view text) { (void)::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT); }

Result<SocketDescriptor> bind_to(const std::string& host, int port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC, wanted.ai_socktype = SOCK_STREAM, wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &wanted, &found); error != 0) {
    return invalid_input(fmt::format("--listen {}: {}", host, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> keep(found, ::freeaddrinfo);
  SocketDescriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return invalid_input(fmt::format("--listen {}:{}: {}", host, port, std::strerror(errno)));
  }
  return socket;
}

}  // namespace

class HttpFront::Connections {
 public:
  Connections(SocketDescriptor listener, const HttpLimits& limits, HttpHandler handler, std::string_view express_path)
      : limits_(limits),
        express_(fmt::format("GET {} ", express_path)),
        listener_(std::move(listener)),
        answerer_(limits, std::move(handler)) {
    epoll_ = SocketDescriptor(::epoll_create1(EPOLL_CLOEXEC));
    wake_ = SocketDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    watch(listener_.get(), EPOLL_CTL_ADD);
    watch(wake_.get(), EPOLL_CTL_ADD);
  }

  int port() const {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    return address.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port)
                                         : ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  }

  void serve(std::stop_token stop) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < limits_.threads; ++i) threads.emplace_back([this](std::stop_token ended) { answer_requests(lanes_[0], ended); });
    threads.emplace_back([this](std::stop_token ended) { answer_requests(lanes_[1], ended); });
    const std::stop_callback wake(stop, [this] { wake_up(); });
    while (!stop.stop_requested()) turn();
    listener_.reset();
    drop_idle();
    // Requests in hand are answered: their connections are not in open_ until then.
    const auto deadline = SteadyClock::now() + std::chrono::seconds(kStopSeconds);
    while (in_hand() > 0 && SteadyClock::now() < deadline) turn();
    for (std::jthread& thread : threads) thread.request_stop();
  }

 private:
  struct Connection {
    SocketDescriptor socket;
    std::string peer;
    std::string received;
    SteadyClock::time_point deadline;
    bool continued = false;  ///< "100 Continue" was sent for this request
    bool last = false;
    bool refused = false;      ///< answered already: what still comes is dropped, so that a reset does not take the answer away
    size_t request_bytes = 0;  ///< of the whole request at the front of `received`
  };

  /// Whole requests, and the threads that wait for them.
  struct Lane {
    std::deque<std::unique_ptr<Connection>> work;
    std::condition_variable_any ready;
  };

  void watch(int fd, int operation) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), operation, fd, &event);
  }
  void wake_up() {
    const uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  /// One round of the connections' thread.
  void turn() {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, kTickMs);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == wake_.get()) {
        uint64_t ignored;
        (void)!::read(wake_.get(), &ignored, sizeof ignored);
      } else if (fd == listener_.get()) {
        accept_all();
      } else {
        receive(fd);
      }
    }
    take_back();
    close_late();
    if (listens_again_ && SteadyClock::now() >= *listens_again_) {
      listens_again_.reset();
      watch(listener_.get(), EPOLL_CTL_ADD);
    }
  }

  void accept_all() {
    while (true) {
      SocketDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (socket.get() < 0) {
        if (errno == EMFILE || errno == ENFILE) {  // who waits goes on waiting; asking at once again would take a whole core
          watch(listener_.get(), EPOLL_CTL_DEL);
          listens_again_ = SteadyClock::now() + std::chrono::milliseconds(kTickMs);
        }
        return;
      }
      if (open_.size() + in_hand() >= limits_.connections_max && !drop_idlest()) {
        send_at_once(socket.get(), refusal_text(503));
        continue;
      }
      const int fd = socket.get();
      watch(fd, EPOLL_CTL_ADD);
      auto connection = std::make_unique<Connection>();
      connection->peer = peer_of(fd);
      connection->socket = std::move(socket);
      connection->deadline = SteadyClock::now() + limits_.idle_max;
      open_.emplace(fd, std::move(connection));
    }
  }

  /// Makes room: the connection that has waited longest without beginning a request. False: there is none.
  bool drop_idlest() {
    auto idlest = open_.end();
    for (auto it = open_.begin(); it != open_.end(); ++it) {
      const bool is_idle = it->second->received.empty() && !it->second->refused;
      if (is_idle && (idlest == open_.end() || it->second->deadline < idlest->second->deadline)) idlest = it;
    }
    if (idlest == open_.end()) return false;
    open_.erase(idlest);
    return true;
  }

  void receive(int fd) {
    const auto found = open_.find(fd);
    if (found == open_.end()) return;
    Connection& connection = *found->second;
    char bytes[kReadBytes];
    const ssize_t count = ::recv(fd, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (count <= 0) {
      open_.erase(found);
      return;
    }
    if (connection.refused) return;
    if (connection.received.empty()) connection.deadline = SteadyClock::now() + limits_.request_max;
    connection.received.append(bytes, static_cast<size_t>(count));
    look_at(found);
  }

  using Open = std::map<int, std::unique_ptr<Connection>>;

  /// Hands the connection on once its request is whole.
  void look_at(Open::iterator found) {
    Connection& connection = *found->second;
    const RequestFrame frame = frame_request(connection.received, limits_);
    if (frame.refusal != 0) {
      refuse(found, frame.refusal);
      return;
    }
    if (frame.head_bytes == 0) return;
    connection.request_bytes = frame.head_bytes + frame.body_bytes;
    connection.last = frame.is_last;
    if (connection.received.size() < connection.request_bytes) {
      if (frame.wants_continue && !std::exchange(connection.continued, true)) {
        send_at_once(connection.socket.get(), "HTTP/1.1 100 Continue\r\n\r\n");
      }
      return;
    }
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->first, nullptr);
    Lane& lane = lanes_[connection.received.starts_with(express_) ? 1 : 0];
    {
      std::lock_guard lock(mutex_);
      ++in_hand_;
      lane.work.push_back(std::move(found->second));
    }
    open_.erase(found);
    lane.ready.notify_one();
  }

  void refuse(Open::iterator found, int status) {
    Connection& connection = *found->second;
    send_at_once(found->first, refusal_text(status));
    ::shutdown(found->first, SHUT_WR);
    connection.refused = true;
    connection.received.clear();
    connection.deadline = SteadyClock::now() + kDropMax;
  }

  /// Connections that were answered and stay open.
  void take_back() {
    std::vector<std::unique_ptr<Connection>> answered;
    {
      std::lock_guard lock(mutex_);
      answered.swap(answered_);
    }
    for (auto& connection : answered) {
      const int fd = connection->socket.get();
      const bool more = !connection->received.empty();
      connection->deadline = SteadyClock::now() + (more ? limits_.request_max : limits_.idle_max);
      watch(fd, EPOLL_CTL_ADD);
      const auto [place, added] = open_.emplace(fd, std::move(connection));
      if (more) look_at(place);
    }
  }

  void close_late() {
    const auto now = SteadyClock::now();
    for (auto it = open_.begin(); it != open_.end();) {
      const auto next = std::next(it);
      if (it->second->deadline < now) {
        if (it->second->received.empty()) {  // idle, or refused
          open_.erase(it);
        } else {
          refuse(it, 408);
        }
      }
      it = next;
    }
  }
  void drop_idle() { open_.clear(); }
  size_t in_hand() const {
    std::lock_guard lock(mutex_);
    return in_hand_;
  }

  /// A thread that answers.
  void answer_requests(Lane& lane, std::stop_token ended) {
    while (true) {
      std::unique_ptr<Connection> connection;
      {
        std::unique_lock lock(mutex_);
        lane.ready.wait(lock, ended, [&] { return !lane.work.empty(); });
        if (lane.work.empty()) return;
        connection = std::move(lane.work.front());
        lane.work.pop_front();
      }
      const std::string_view request = std::string_view(connection->received).substr(0, connection->request_bytes);
      AnswerStream stream(request, connection->socket.get(), connection->peer, SteadyClock::now() + limits_.answer_max);
      const bool stays = answerer_.answer_one(stream, connection->last) && !connection->last;
      connection->received.erase(0, connection->request_bytes);
      connection->continued = false;
      {
        std::lock_guard lock(mutex_);
        --in_hand_;
        if (stays) answered_.push_back(std::move(connection));
      }
      wake_up();
    }
  }

  const HttpLimits limits_;
  const std::string express_;  ///< what requests of the second lane begin with
  SocketDescriptor listener_, epoll_, wake_;
  Answerer answerer_;
  Open open_;                                             // of the connections' thread
  std::optional<SteadyClock::time_point> listens_again_;  // of the connections' thread

  mutable std::mutex mutex_;
  Lane lanes_[2];                                      // their work is protected by mutex_
  std::vector<std::unique_ptr<Connection>> answered_;  // protected by mutex_
  size_t in_hand_ = 0;                                 // protected by mutex_: in a lane or being answered
};

HttpFront::HttpFront(std::unique_ptr<Connections> connections) : connections_(std::move(connections)) {}
HttpFront::~HttpFront() = default;

Result<std::unique_ptr<HttpFront>> HttpFront::listen(const std::string& host, int port, const HttpLimits& limits, HttpHandler handler,
                                                     std::string_view express_path) {
  TRY_ASSIGN(SocketDescriptor listener, bind_to(host, port));
  return std::unique_ptr<HttpFront>(
      new HttpFront(std::make_unique<Connections>(std::move(listener), limits, std::move(handler), express_path)));
}

int HttpFront::port() const { return connections_->port(); }
void HttpFront::serve(std::stop_token stop) { connections_->serve(stop); }

}  // namespace sluice
