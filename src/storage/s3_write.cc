#include "storage/s3_write.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "storage/s3_xml.h"

namespace sluice {
namespace {

/// Whose object is at the key.
enum class Owner { kNobody, kUs, kSomebody };

struct Found {
  Owner owner = Owner::kNobody;
  ObjectInfo info = {};
};

Result<Found> find_out(S3Client& client, const S3Write& write, Context& context) {
  Result<ObjectHead> head = s3_head(client, write.address, context);
  if (!head && head.error().code == ErrorCode::kNotFound) return Found{};
  if (!head) return std::unexpected(std::move(head).error());
  const auto token = head->metadata.find(std::string(kS3TokenHeader.substr(kS3MetadataPrefix.size())));
  const bool ours = token != head->metadata.end() && token->second == write.token;
  return Found{ours ? Owner::kUs : Owner::kSomebody, std::move(head->info)};
}

/// Whether the write's condition cannot hold any more, now that this object of somebody else's is there.
bool is_refused_by(const HttpHeaders& headers, const ObjectInfo& there) {
  if (find_header(headers, "if-none-match")) return true;
  const auto wanted = find_header(headers, "if-match");
  return wanted && without_quotes(*wanted) != there.version;
}

}  // namespace

HttpHeaders s3_object_headers(const PutOptions& options, const std::string& token) {
  HttpHeaders headers = {{std::string(kS3TokenHeader), token}};
  for (const auto& [name, value] : options.metadata) headers.emplace_back(std::string(kS3MetadataPrefix) + name, value);
  return headers;
}

void add_s3_condition(HttpHeaders& headers, const PutOptions& options) {
  if (options.if_none_match) headers.emplace_back("If-None-Match", "*");
  if (!options.if_match.empty()) headers.emplace_back("If-Match", "\"" + options.if_match + "\"");
}

Result<HttpResponse> s3_head_answer(S3Client& client, const S3Address& address, Context& context) {
  TRY_ASSIGN(HttpResponse response, client.call({.method = "HEAD", .bucket = address.bucket, .key = address.key}, context));
  if (response.status != 200) return std::unexpected(s3_refusal(response, "looking it up", address.text(), client.options()));
  return response;
}

ObjectHead s3_head_of(const HttpResponse& answer, const S3Address& address) {
  ObjectHead head;
  head.info.path = address.text();
  head.info.version = without_quotes(answer.header("etag").value_or(""));
  head.info.size_bytes = std::strtoll(std::string(answer.header("content-length").value_or("0")).c_str(), nullptr, 10);
  head.info.modified_at = parse_http_date(answer.header("last-modified").value_or("")).value_or(Timestamp{});
  for (const auto& [name, value] : answer.headers) {
    const std::string lower = lower_case(name);
    if (lower.starts_with(kS3MetadataPrefix)) head.metadata[lower.substr(kS3MetadataPrefix.size())] = value;
  }
  return head;
}

Result<ObjectHead> s3_head(S3Client& client, const S3Address& address, Context& context) {
  TRY_ASSIGN(const HttpResponse answer, s3_head_answer(client, address, context));
  return s3_head_of(answer, address);
}

Result<ObjectInfo> carry_out(S3Client& client, const S3Write& write, Context& context) {
  const std::string uri = write.address.text();
  const S3Options& options = client.options();
  bool was_unclear = false;
  auto delay = options.retry_delay;
  Error last;
  for (int attempt = 1; attempt <= options.attempts_max; ++attempt) {
    Result<HttpResponse> response = client.call(write.call, context);
    if (response && response->status == 200) {
      Result<std::string> etag = write.etag_of(*response);
      if (etag) return ObjectInfo{uri, *std::move(etag), write.size_bytes, client.clock().now()};
      response = std::unexpected(Error{ErrorCode::kOutcomeUnknown, std::move(etag).error().message});
    }
    if (response) {
      Error refusal = s3_refusal(*response, "writing", uri, options);
      const bool may_be_our_own = refusal.code == ErrorCode::kConflict || refusal.code == ErrorCode::kNotFound;
      if (!was_unclear || !may_be_our_own) return std::unexpected(std::move(refusal));
      last = std::move(refusal);
    } else {
      last = response.error().within(uri + ": writing");
      if (last.code != ErrorCode::kOutcomeUnknown) {
        if (was_unclear && last.code == ErrorCode::kUnavailable) last.code = ErrorCode::kOutcomeUnknown;
        return std::unexpected(std::move(last));
      }
      was_unclear = true;
    }
    const Result<Found> found = find_out(client, write, context);
    if (!found)
      return fail(ErrorCode::kOutcomeUnknown, fmt::format("{}; and it cannot be found out: {}", last.message, found.error().message));
    if (found->owner == Owner::kUs) return found->info;
    if (found->owner == Owner::kSomebody && is_refused_by(write.call.headers, found->info)) {
      return fail(ErrorCode::kConflict, fmt::format("{}: writing: another object is there", uri));
    }
    // The parts of an upload are gone and so is its object: nothing is left to send again.
    if (last.code == ErrorCode::kNotFound) return fail(ErrorCode::kOutcomeUnknown, last.message);
    if (attempt == options.attempts_max) break;
    if (!client.clock().sleep(delay, context.stop)) return fail(ErrorCode::kOutcomeUnknown, last.message + "; stopped on request");
    delay = std::min(delay * 2, options.retry_delay_max);
  }
  return fail(ErrorCode::kOutcomeUnknown, last.message);
}

}  // namespace sluice
