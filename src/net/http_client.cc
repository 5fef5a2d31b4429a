// The client's thread: one libcurl multi handle, and in front of it a queue per host, so that a request's time limits begin when it has a
// connection's place and not while it waits for one.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "net/http.h"
#include "net/http_transfer.h"

namespace sluice {
namespace {

constexpr int64_t kCheckMicrosMin = 10'000;
constexpr int64_t kCheckMicrosMax = 500'000;
constexpr int kPollMillisIdle = 60'000;  // nothing under way: a wake-up ends it
constexpr long kKeptConnectionsPerHost = 4;
constexpr size_t kFreeHandlesMax = 64;

using TransferPtr = std::unique_ptr<HttpTransfer>;

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(HttpOptions options, CURLM* multi)
      : options_(std::move(options)),
        check_micros_(std::clamp<int64_t>(options_.idle_timeout.count() * 1000 / 8, kCheckMicrosMin, kCheckMicrosMax)),
        multi_(multi) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.connections_max) * kKeptConnectionsPerHost);
    thread_ = std::thread([this] { run(); });
  }

  ~CurlHttpClient() override {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (CURL* easy : free_handles_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  void send(HttpRequest request, Context context, HttpDone done) override {
    auto transfer = std::make_unique<HttpTransfer>(std::move(request), std::move(context), std::move(done), clock_, [this] {
      check_now_ = true;
      curl_multi_wakeup(multi_);
    });
    {
      std::lock_guard lock(mutex_);
      if (!closing_) incoming_.push_back(std::move(transfer));
    }
    if (transfer) return finish(std::move(transfer), [](HttpTransfer& refused) { return std::unexpected(refused.cancelled()); });
    curl_multi_wakeup(multi_);
  }

 private:
  struct Host {
    int under_way = 0;
    std::deque<TransferPtr> waiting;
  };
  struct UnderWay {
    TransferPtr transfer;
    Host* host;
  };

  void run() {
    while (!is_closing()) {
      take_incoming();
      queue_delayed();
      for (auto& [name, host] : hosts_) start_waiting(host);
      int running = 0;
      curl_multi_perform(multi_, &running);
      const bool answered = finish_answered();
      const bool ended = end_overdue();
      if (!answered && !ended) curl_multi_poll(multi_, nullptr, 0, poll_millis(), nullptr);
    }
    cancel_all();
  }

  bool is_closing() {
    std::lock_guard lock(mutex_);
    return closing_;
  }

  void take_incoming() {
    std::vector<TransferPtr> taken;
    {
      std::lock_guard lock(mutex_);
      taken.swap(incoming_);
    }
    for (TransferPtr& transfer : taken) {
      const int64_t at = transfer->not_before_micros();
      delayed_.emplace(at, std::move(transfer));
    }
  }

  void queue_delayed() {
    const int64_t now = clock_.monotonic_micros();
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
      TransferPtr transfer = std::move(delayed_.extract(delayed_.begin()).mapped());
      hosts_[transfer->host()].waiting.push_back(std::move(transfer));
    }
  }

  void start_waiting(Host& host) {
    while (!host.waiting.empty() && host.under_way < options_.connections_max) {
      TransferPtr transfer = std::move(host.waiting.front());
      host.waiting.pop_front();
      if (std::optional<Error> error = transfer->overdue(options_.idle_timeout)) {
        finish(std::move(transfer), [&](HttpTransfer&) { return std::unexpected(*std::move(error)); });
        continue;
      }
      CURL* easy = take_handle();
      transfer->start(easy, options_);
      curl_multi_add_handle(multi_, easy);
      ++host.under_way;
      under_way_.emplace(easy, UnderWay{std::move(transfer), &host});
    }
  }

  /// Whether any was: those that wait for its place can go on.
  bool finish_answered() {
    bool any = false;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;  // the message dies with the handle's removal
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      finish(take_off(under_way_.find(easy)), [&](HttpTransfer& transfer) {
        Result<HttpResponse> result = transfer.take_result(code);
        if (result) result->status = static_cast<int>(status);
        return result;
      });
      any = true;
    }
    return any;
  }

  /// Takes a transfer from curl: a connection with half an answer on it is closed.
  TransferPtr take_off(std::unordered_map<CURL*, UnderWay>::iterator at) {
    curl_multi_remove_handle(multi_, at->first);
    give_back_handle(at->first);
    --at->second.host->under_way;
    TransferPtr transfer = std::move(at->second.transfer);
    under_way_.erase(at);
    return transfer;
  }

  /// Whether any was.
  bool end_overdue() {
    const int64_t now = clock_.monotonic_micros();
    if (!check_now_.exchange(false) && now < next_check_micros_) return false;
    next_check_micros_ = now + check_micros_;
    std::vector<std::pair<TransferPtr, Error>> ended;
    for (auto at = under_way_.begin(); at != under_way_.end();) {
      const auto here = at++;
      if (std::optional<Error> error = here->second.transfer->overdue(options_.idle_timeout)) {
        ended.emplace_back(take_off(here), *std::move(error));
      }
    }
    for (auto& [name, host] : hosts_) {
      for (TransferPtr& transfer : host.waiting) take_overdue(transfer, ended);
      std::erase(host.waiting, nullptr);
    }
    for (auto& [at, transfer] : delayed_) take_overdue(transfer, ended);
    std::erase_if(delayed_, [](const auto& entry) { return entry.second == nullptr; });
    for (auto& [transfer, error] : ended) finish(std::move(transfer), [&](HttpTransfer&) { return std::unexpected(std::move(error)); });
    return !ended.empty();
  }

  void take_overdue(TransferPtr& transfer, std::vector<std::pair<TransferPtr, Error>>& ended) {
    if (std::optional<Error> error = transfer->overdue(options_.idle_timeout)) ended.emplace_back(std::move(transfer), *std::move(error));
  }

  void cancel_all() {
    const auto cancelled = [](HttpTransfer& transfer) { return std::unexpected(transfer.cancelled()); };
    take_incoming();
    while (!under_way_.empty()) finish(take_off(under_way_.begin()), cancelled);
    for (auto& [name, host] : hosts_) {
      for (TransferPtr& transfer : host.waiting) finish(std::move(transfer), cancelled);
    }
    for (auto& [at, transfer] : delayed_) finish(std::move(transfer), cancelled);
  }

  /// Nothing of the request is held any more when its sender hears of the end: the sender may go away at once.
  template <class MakeResult>
  static void finish(TransferPtr transfer, MakeResult make_result) {
    Result<HttpResponse> result = make_result(*transfer);
    const HttpDone done = transfer->take_done();
    transfer.reset();
    done(std::move(result));
  }

  int poll_millis() const {
    if (under_way_.empty() && delayed_.empty()) return kPollMillisIdle;
    int64_t until = next_check_micros_;
    if (!delayed_.empty()) until = std::min(until, delayed_.begin()->first);
    const int64_t micros = until - clock_.monotonic_micros();
    return static_cast<int>(std::clamp<int64_t>((micros + 999) / 1000, 0, kPollMillisIdle));
  }

  CURL* take_handle() {
    if (free_handles_.empty()) return curl_easy_init();
    CURL* easy = free_handles_.back();
    free_handles_.pop_back();
    return easy;
  }

  void give_back_handle(CURL* easy) {
    if (free_handles_.size() < kFreeHandlesMax) return free_handles_.push_back(easy);
    curl_easy_cleanup(easy);
  }

  const HttpOptions options_;
  const int64_t check_micros_;
  mutable SystemClock clock_;
  CURLM* const multi_;
  std::atomic<bool> check_now_ = false;
  std::thread thread_;

  std::mutex mutex_;
  // Protected by mutex_.
  std::vector<TransferPtr> incoming_;
  bool closing_ = false;

  // The thread's own.
  std::multimap<int64_t, TransferPtr> delayed_;  // by when they may go out
  std::map<std::string, Host> hosts_;            // a map: transfers under way point into it
  std::unordered_map<CURL*, UnderWay> under_way_;
  std::vector<CURL*> free_handles_;
  int64_t next_check_micros_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return fail(ErrorCode::kUnavailable, fmt::format("starting libcurl: {}", curl_easy_strerror(started)));
  if (!options.ca_file.empty() && ::access(options.ca_file.c_str(), R_OK) != 0) {
    return invalid_input(fmt::format("the file of trusted certificates {} cannot be read", options.ca_file));
  }
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) return fail(ErrorCode::kUnavailable, "starting libcurl: out of memory");
  return std::make_unique<CurlHttpClient>(options, multi);
}

}  // namespace sluice
