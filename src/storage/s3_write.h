// Writes that become visible at one request's end (PUT, CompleteMultipartUpload), carried out once however often the network fails.
//
// Repeating a conditional write blindly is wrong: the first may have landed, and the second is then refused by it. So each such write
// carries a token of its own in the object's metadata. After an answer that leaves the outcome open, and after a refusal that follows
// one, the object is asked whose it is: with our token the write is done, without it somebody else won, and where there is none the
// write may be sent again (its condition still guards it).
#pragma once

#include <functional>
#include <string>

#include "storage/object_store.h"
#include "storage/s3_client.h"

namespace sluice {

inline constexpr std::string_view kS3TokenHeader = "x-amz-meta-sluice-write";
inline constexpr std::string_view kS3MetadataPrefix = "x-amz-meta-";

/// The headers of an object that is being written: its metadata, the token and, where wanted, nothing else.
HttpHeaders s3_object_headers(const PutOptions& options, const std::string& token);

/// The condition of a write, if it has one.
void add_s3_condition(HttpHeaders& headers, const PutOptions& options);

/// The answer to HEAD, where it is 200, and what it says. A header's name may be in any case.
Result<HttpResponse> s3_head_answer(S3Client& client, const S3Address& address, Context& context);
ObjectHead s3_head_of(const HttpResponse& answer, const S3Address& address);

/// What HEAD says of an object, its metadata included.
Result<ObjectHead> s3_head(S3Client& client, const S3Address& address, Context& context);

struct S3Write {
  S3Call call;  ///< with its condition, if any; marked not repeatable
  S3Address address;
  std::string token;
  int64_t size_bytes = 0;
  /// The ETag of a good answer.
  std::function<Result<std::string>(const HttpResponse&)> etag_of;
};

/// kConflict: something else is there (a condition was given); kOutcomeUnknown: it could not be found out; others as of S3Client.
Result<ObjectInfo> carry_out(S3Client& client, const S3Write& write, Context& context);

}  // namespace sluice
