#include "net/aws_credentials.h"

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr auto kRenewBefore = std::chrono::minutes(5);     // the end of their life
constexpr auto kTryAgainAfter = std::chrono::seconds(30);  // where renewing early failed

}  // namespace

AwsCredentialChain::AwsCredentialChain(AwsCredentials configured, AwsSettings settings, HttpClient& http, Clock& clock)
    : configured_(std::move(configured)), settings_(std::move(settings)), http_(http), clock_(clock) {}

bool AwsCredentialChain::is_usable(Timestamp now) const { return latest_ && (!latest_->expires_at || now < *latest_->expires_at); }

bool AwsCredentialChain::is_fresh(Timestamp now) const {
  return latest_ && (!latest_->expires_at || now + kRenewBefore < *latest_->expires_at);
}

Result<AwsCredentials> AwsCredentialChain::get(Context& context) {
  std::unique_lock lock(mutex_);
  while (true) {
    const Timestamp now = clock_.now();
    if (is_fresh(now)) return *latest_;
    if (is_usable(now) && (fetching_ || now < try_again_at_)) return *latest_;
    if (!fetching_) break;
    const int64_t round = rounds_;
    fetched_.wait(lock, context.stop, [&] { return rounds_ != round; });
    TRY(context.check());
    // Who waited shares the outcome; only a fetch that its own caller stopped says nothing about the next.
    if (error_ && error_->code != ErrorCode::kCancelled && !is_usable(clock_.now())) return std::unexpected(*error_);
  }
  fetching_ = true;
  lock.unlock();
  Result<AwsCredentials> fetched = fetch(context);
  lock.lock();
  fetching_ = false;
  ++rounds_;
  error_.reset();
  if (fetched) {
    latest_ = *fetched;
  } else {
    error_ = fetched.error();
    try_again_at_ = clock_.now() + kTryAgainAfter;
  }
  fetched_.notify_all();
  if (!fetched && is_usable(clock_.now())) return *latest_;
  return fetched;
}

std::optional<AwsCredentials> AwsCredentialChain::latest() const {
  std::lock_guard lock(mutex_);
  return latest_;
}

}  // namespace sluice
