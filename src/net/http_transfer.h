// One request on its way through libcurl: what curl is told, what it tells back, and what an end without an answer means.
// Belongs to the client's thread once it was handed over; only its stop callback runs elsewhere.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include <curl/curl.h>

#include "net/http.h"

namespace sluice {

class HttpTransfer {
 public:
  /// `on_stop` is called, from any thread, when the context is stopped.
  HttpTransfer(HttpRequest request, Context context, HttpDone done, Clock& clock, std::function<void()> on_stop);

  /// What connections are limited by: scheme, host and port of the URL.
  std::string host() const;
  /// When it may go out, on the monotonic clock.
  int64_t not_before_micros() const { return not_before_micros_; }

  /// Tells `easy` what to do; both must live until curl has let go of the handle.
  void start(CURL* easy, const HttpOptions& options);
  /// Why it must end now: stopped, past its deadline, no byte for too long. nullopt: it may go on.
  std::optional<Error> overdue(std::chrono::milliseconds idle_timeout) const;
  /// What curl's verdict means. Once.
  Result<HttpResponse> take_result(CURLcode code);
  /// Whom to tell. Once.
  HttpDone take_done() { return std::move(done_); }
  Error cancelled() const;

 private:
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);
  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static size_t on_send(char* into, size_t size, size_t count, void* self);
  static int on_connected(void* self, char*, char*, int, int);

  void set_method(CURL* easy);
  void set_headers(CURL* easy);
  bool take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  bool replay_is_harmless() const { return request_.method == "GET" || request_.method == "HEAD"; }
  Error error(ErrorCode code, std::string_view what) const;
  Error no_answer(std::string_view what) const;

  struct FreeHeaders {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  const HttpRequest request_;
  const Context context_;
  HttpDone done_;
  Clock& clock_;
  const int64_t not_before_micros_;
  std::unique_ptr<curl_slist, FreeHeaders> header_list_;
  char curl_message_[CURL_ERROR_SIZE] = {};
  HttpResponse response_;
  size_t body_bytes_sent_ = 0;
  size_t header_bytes_ = 0;
  int times_sent_ = 0;  // how often a connection was ready and the request went out, or began to
  bool too_long_ = false;
  int64_t last_activity_micros_ = 0;
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace sluice
