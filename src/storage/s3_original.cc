#include "storage/s3_original.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/ascii.h"
#include "net/percent.h"
#include "storage/s3_write.h"
#include "storage/s3_xml.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 6> kCarriedHeaders = {"content-type",        "content-encoding", "content-language",
                                                             "content-disposition", "cache-control",    "expires"};

Result<std::string> tagging_of(S3Client& client, const S3Address& address, Context& context) {
  TRY_ASSIGN(const HttpResponse response, client.call({.bucket = address.bucket, .key = address.key, .query = "tagging"}, context));
  // Not every service has tags (some answer with the object), and not everybody may read them: the copy matters more.
  if (response.status == 501) return std::string();
  if (response.status != 200) {
    Error refused = s3_refusal(response, "reading the tags", address.text(), client.options());
    const bool passes = refused.code == ErrorCode::kUnavailable;  // also answered with a 4xx, as an expired token is
    return passes ? Result<std::string>(std::unexpected(std::move(refused))) : std::string();
  }
  const auto tags = parse_s3_tagging(response.body);
  if (!tags) return std::string();
  std::string tagging;
  for (const ObjectTag& tag : *tags) {
    if (tag.name.starts_with("aws:")) continue;  // the service's own: nobody else may write them
    tagging += (tagging.empty() ? "" : "&") + percent_encode(tag.name) + "=" + percent_encode(tag.value);
  }
  return tagging;
}

}  // namespace

Result<S3Original> s3_original(S3Client& client, const S3Address& address, Context& context) {
  TRY_ASSIGN(const HttpResponse head, s3_head_answer(client, address, context));
  S3Original original{.info = s3_head_of(head, address).info, .headers = {}, .tagging = {}};
  for (const auto& [name, value] : head.headers) {
    const std::string lower = lower_case(name);
    // The token says who wrote an object: a copy has one of its own.
    const bool is_metadata = lower.starts_with(kS3MetadataPrefix) && lower != kS3TokenHeader;
    if (is_metadata || std::ranges::find(kCarriedHeaders, lower) != kCarriedHeaders.end()) original.headers.emplace_back(lower, value);
  }
  TRY_ASSIGN(original.tagging, tagging_of(client, address, context));
  return original;
}

}  // namespace sluice
