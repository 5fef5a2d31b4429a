#include "storage/s3_client.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <set>

#include <fmt/format.h>

#include "base/ids.h"
#include "storage/s3_xml.h"

namespace sluice {
namespace {

constexpr std::chrono::seconds kRetryAfterMax{20};

/// What the answer says of another attempt.
enum class Verdict {
  kFinal,
  kNotNow,   ///< not carried out
  kUnclear,  ///< a server that failed in the middle
};

Verdict judge(const HttpResponse& response) {
  if (response.status == 429) return Verdict::kNotNow;
  if (response.status >= 500 && response.status != 501 && response.status != 505 && response.status != 507) return Verdict::kUnclear;
  if (response.status == 409 || response.status == 400 || response.status == 408) {
    // The last four: the body arrived in pieces or late.
    static const std::set<std::string_view> kPassing = {"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "BadDigest",
                                                        "XAmzContentSHA256Mismatch",  "IncompleteBody"};
    return kPassing.contains(parse_s3_error(response.body).code) ? Verdict::kNotNow : Verdict::kFinal;
  }
  return Verdict::kFinal;
}

}  // namespace

struct S3Client::Core {
  Core(S3Options o, AwsSettings settings, HttpClient& h, Clock& c)
      : options(std::move(o)),
        http(h),
        clock(c),
        credentials(options.credentials, std::move(settings), h, c),
        signer(options.region, "s3", c) {}

  const S3Options options;
  HttpClient& http;
  Clock& clock;
  AwsCredentialChain credentials;
  SigV4Signer signer;
};

/// One call with its attempts.
class S3Exchange : public std::enable_shared_from_this<S3Exchange> {
 public:
  S3Exchange(std::shared_ptr<S3Client::Core> core, S3Call call, Context context, HttpDone done)
      : core_(std::move(core)), call_(std::move(call)), context_(std::move(context)), done_(std::move(done)) {}

  void send(std::optional<AwsCredentials> credentials, std::chrono::milliseconds delay) {
    HttpRequest request{.method = call_.method,
                        .url = s3_url(core_->options, call_.bucket, call_.key, call_.query),
                        .headers = call_.headers,
                        .body = call_.body,
                        .response_bytes_max = call_.response_bytes_max,
                        .delay = delay};
    if (credentials) core_->signer.sign(request, *credentials);
    core_->http.send(std::move(request), context_,
                     [self = shared_from_this()](Result<HttpResponse> response) { self->take(std::move(response)); });
  }

 private:
  void take(Result<HttpResponse> response) {
    ++attempts_;
    if (!response) return take_error(std::move(response).error());
    const Verdict verdict = judge(*response);
    if (verdict == Verdict::kFinal) return done_(std::move(response));
    const S3ErrorBody body = parse_s3_error(response->body);
    Error error{ErrorCode::kUnavailable, fmt::format("{} {}: {} {} {}", call_.method, s3_url(core_->options, call_.bucket, call_.key, ""),
                                                     response->status, body.code, body.message)};
    if (verdict == Verdict::kUnclear && !call_.repeatable) {
      error.code = ErrorCode::kOutcomeUnknown;
      return done_(std::unexpected(std::move(error)));
    }
    try_again(std::move(error), retry_after(*response));
  }

  void take_error(Error error) {
    const bool unknown = error.code == ErrorCode::kOutcomeUnknown;
    if (error.code != ErrorCode::kUnavailable && !(unknown && call_.repeatable)) return done_(std::unexpected(std::move(error)));
    error.code = ErrorCode::kUnavailable;
    try_again(std::move(error), std::chrono::milliseconds(0));
  }

  void try_again(Error error, std::chrono::milliseconds at_least) {
    const S3Options& options = core_->options;
    const bool is_late = context_.deadline && core_->clock.now() >= *context_.deadline;
    if (attempts_ >= options.attempts_max || is_late) {
      error.message += fmt::format(" ({} attempts)", attempts_);
      return done_(std::unexpected(std::move(error)));
    }
    const int64_t ceiling = std::min(options.retry_delay.count() << (attempts_ - 1), options.retry_delay_max.count());
    // Half of it fixed, half of it chance: those who were turned away together do not come back together.
    const std::chrono::milliseconds delay(ceiling / 2 + new_snapshot_id() % (ceiling / 2 + 1));
    send(options.anonymous ? std::nullopt : core_->credentials.latest(), std::max(delay, at_least));
  }

  static std::chrono::milliseconds retry_after(const HttpResponse& response) {
    int64_t seconds = 0;
    const std::string_view text = response.header("retry-after").value_or("");
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return std::clamp<std::chrono::milliseconds>(std::chrono::seconds(seconds), std::chrono::milliseconds(0), kRetryAfterMax);
  }

  const std::shared_ptr<S3Client::Core> core_;
  const S3Call call_;
  const Context context_;
  const HttpDone done_;
  int attempts_ = 0;
};

S3Client::S3Client(S3Options options, AwsSettings settings, HttpClient& http, Clock& clock)
    : core_(std::make_shared<Core>(std::move(options), std::move(settings), http, clock)) {}

const S3Options& S3Client::options() const { return core_->options; }

Clock& S3Client::clock() const { return core_->clock; }

void S3Client::send(S3Call call, Context context, HttpDone done) {
  std::optional<AwsCredentials> credentials;
  if (!core_->options.anonymous) {
    Result<AwsCredentials> got = core_->credentials.get(context);
    if (!got) return done(std::unexpected(std::move(got).error()));
    credentials = *std::move(got);
  }
  std::make_shared<S3Exchange>(core_, std::move(call), std::move(context), std::move(done))->send(std::move(credentials), {});
}

Result<HttpResponse> S3Client::call(S3Call call, Context& context) {
  TRY(context.check());
  auto promise = std::make_shared<std::promise<Result<HttpResponse>>>();
  std::future<Result<HttpResponse>> answer = promise->get_future();
  send(std::move(call), context, [promise](Result<HttpResponse> response) { promise->set_value(std::move(response)); });
  return answer.get();
}

Error s3_refusal(const HttpResponse& response, std::string_view doing, std::string_view uri, const S3Options& options) {
  const S3ErrorBody body = parse_s3_error(response.body);
  const std::string where = options.endpoint.empty() ? fmt::format("AWS, region {}", options.region) : options.endpoint;
  Error error{ErrorCode::kUnavailable, fmt::format("{}: {}: {}{}{}{}{} ({})", uri, doing, response.status, body.code.empty() ? "" : " ",
                                                   body.code, body.message.empty() ? "" : ": ", body.message, where)};
  static const std::set<std::string_view> kFull = {"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XAmzStorageFull"};
  if (body.code == "NoSuchBucket") {
    error.code = ErrorCode::kInvalidInput;
    error.message = fmt::format("{}: {}: there is no such bucket ({})", uri, doing, where);
  } else if (body.code == "InvalidAccessKeyId" || body.code == "SignatureDoesNotMatch") {
    error.code = ErrorCode::kInvalidInput;
    error.message += "; check the access key and its secret";
  } else if (response.status == 301 || body.code == "AuthorizationHeaderMalformed" || body.code == "PermanentRedirect") {
    error.code = ErrorCode::kInvalidInput;
    const std::string region = body.region.empty() ? std::string(response.header("x-amz-bucket-region").value_or("")) : body.region;
    error.message += region.empty() ? "; set s3.region" : fmt::format("; set s3.region: {}", region);
  } else if (response.status == 507 || kFull.contains(body.code)) {
    error.message += "; the store is full";
  } else if (response.status == 404) {
    error.code = ErrorCode::kNotFound;
  } else if (response.status == 412 || response.status == 409) {
    error.code = ErrorCode::kConflict;
  } else if (body.code != "ExpiredToken" && response.status < 500) {
    error.code = ErrorCode::kInvalidInput;
    if (response.status == 403 && body.code.empty()) error.message += ": access denied";
  }
  return error;
}

}  // namespace sluice
