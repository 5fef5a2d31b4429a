#include "net/http_transfer.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr long kSocketBufferBytes = 256 * kKiB;
constexpr size_t kHeaderBytesMax = 256 * kKiB;
constexpr int64_t kBodyReserveBytesMax = 32 * kMiB;  // a server's word is taken up to here; then memory follows what really comes
constexpr int64_t kMicrosPerMilli = 1000;
constexpr const char* kUserAgent = "sluice";

/// The URL as messages show it: queries may hold signatures.
std::string_view without_query(std::string_view url) { return url.substr(0, url.find('?')); }

bool is_link_local(std::string_view url) { return url.starts_with("http://169.254."); }

bool is_certificate_refused(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
         code == CURLE_SSL_INVALIDCERTSTATUS || code == CURLE_SSL_CRL_BADFILE;
}

}  // namespace

HttpTransfer::HttpTransfer(HttpRequest request, Context context, HttpDone done, Clock& clock, std::function<void()> on_stop)
    : request_(std::move(request)),
      context_(std::move(context)),
      done_(std::move(done)),
      clock_(clock),
      not_before_micros_(clock.monotonic_micros() + request_.delay.count() * kMicrosPerMilli),
      on_stop_(context_.stop, std::move(on_stop)) {}

std::string HttpTransfer::host() const {
  const std::string_view url = request_.url;
  const size_t scheme = url.find("://");
  return std::string(url.substr(0, scheme == std::string_view::npos ? url.size() : url.find_first_of("/?#", scheme + 3)));
}

void HttpTransfer::start(CURL* easy, const HttpOptions& options) {
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // "a/../b" is a key, not a path to be resolved
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, kUserAgent);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kSocketBufferBytes);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSocketBufferBytes);
  const auto total = request_.total_timeout.count() > 0 ? std::min(request_.total_timeout, options.total_timeout) : options.total_timeout;
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options.connect_timeout, total).count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(total.count()));
  if (is_link_local(request_.url)) curl_easy_setopt(easy, CURLOPT_PROXY, "");  // metadata of this machine is on this machine
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_message_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &HttpTransfer::on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  set_method(easy);
  set_headers(easy);
}

void HttpTransfer::set_method(CURL* easy) {
  const bool has_body = request_.body != nullptr || request_.method == "PUT" || request_.method == "POST";
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    // A read callback that cannot be rewound: curl would otherwise repeat a write on a new connection by itself.
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &HttpTransfer::on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body ? request_.body->size() : 0));
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (request_.method != "GET") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void HttpTransfer::set_headers(CURL* easy) {
  curl_slist* list = curl_slist_append(nullptr, "Expect:");  // no waiting for "100 Continue" before a body
  for (const auto& [name, value] : request_.headers) {
    // "Name;" is how curl is told to send a header without a value.
    list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
  }
  header_list_.reset(list);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

int HttpTransfer::on_connected(void* self, char*, char*, int, int) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  // A second time: the kept connection died under the first sending, and curl wants to send again on a new one. The first may have been
  // carried out.
  if (++transfer.times_sent_ > 1 && !transfer.replay_is_harmless()) return CURL_PREREQFUNC_ABORT;
  transfer.last_activity_micros_ = transfer.clock_.monotonic_micros();
  return CURL_PREREQFUNC_OK;
}

size_t HttpTransfer::on_send(char* into, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  transfer.last_activity_micros_ = transfer.clock_.monotonic_micros();
  if (!transfer.request_.body) return 0;
  const std::string& body = *transfer.request_.body;
  const size_t bytes = std::min(size * count, body.size() - transfer.body_bytes_sent_);
  std::memcpy(into, body.data() + transfer.body_bytes_sent_, bytes);
  transfer.body_bytes_sent_ += bytes;
  return bytes;
}

size_t HttpTransfer::on_header(char* bytes, size_t size, size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->take_header({bytes, size * count}) ? size * count : 0;
}

size_t HttpTransfer::on_body(char* bytes, size_t size, size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->take_body({bytes, size * count}) ? size * count : 0;
}

bool HttpTransfer::take_header(std::string_view line) {
  last_activity_micros_ = clock_.monotonic_micros();
  header_bytes_ += line.size();
  if (header_bytes_ > kHeaderBytesMax) {
    too_long_ = true;
    return false;
  }
  if (line.starts_with("HTTP/")) {  // the headers before were those of an interim answer
    response_.headers.clear();
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  response_.headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  return true;
}

bool HttpTransfer::take_body(std::string_view bytes) {
  last_activity_micros_ = clock_.monotonic_micros();
  if (static_cast<int64_t>(response_.body.size() + bytes.size()) > request_.response_bytes_max) {
    too_long_ = true;
    return false;
  }
  if (response_.body.empty()) {
    const std::optional<std::string_view> length = response_.header("content-length");
    const int64_t announced = length ? std::strtoll(std::string(*length).c_str(), nullptr, 10) : 0;
    response_.body.reserve(
        static_cast<size_t>(std::clamp<int64_t>(announced, 0, std::min(kBodyReserveBytesMax, request_.response_bytes_max))));
  }
  response_.body.append(bytes);
  return true;
}

std::optional<Error> HttpTransfer::overdue(std::chrono::milliseconds idle_timeout) const {
  if (context_.stop.stop_requested()) return cancelled();
  if (context_.deadline && clock_.now() >= *context_.deadline) return no_answer("no answer before the deadline");
  const int64_t idle_micros = clock_.monotonic_micros() - last_activity_micros_;
  if (times_sent_ > 0 && idle_micros > idle_timeout.count() * kMicrosPerMilli) {
    return no_answer(fmt::format("no byte came or went for {} ms", idle_timeout.count()));
  }
  return std::nullopt;
}

Result<HttpResponse> HttpTransfer::take_result(CURLcode code) {
  if (too_long_) {
    return std::unexpected(error(ErrorCode::kCorruption, fmt::format("the answer is longer than {} bytes", request_.response_bytes_max)));
  }
  if (code == CURLE_OK) return std::move(response_);
  if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_SEND_FAIL_REWIND) {  // curl was not let to send it again
    return std::unexpected(no_answer("the connection was closed before an answer came"));
  }
  const std::string_view reason = curl_message_[0] != '\0' ? curl_message_ : curl_easy_strerror(code);
  if (times_sent_ > 0) return std::unexpected(no_answer(reason));
  if (is_certificate_refused(code)) {
    return std::unexpected(error(ErrorCode::kInvalidInput, fmt::format("the server's certificate was not accepted: {}", reason)));
  }
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return std::unexpected(error(ErrorCode::kInvalidInput, reason));
  return std::unexpected(no_answer(reason));
}

Error HttpTransfer::cancelled() const { return error(ErrorCode::kCancelled, "stopped on request"); }

Error HttpTransfer::no_answer(std::string_view what) const {
  return error(times_sent_ > 0 ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable, what);
}

Error HttpTransfer::error(ErrorCode code, std::string_view what) const {
  return {code, fmt::format("{} {}: {}", request_.method, without_query(request_.url), what)};
}

}  // namespace sluice
