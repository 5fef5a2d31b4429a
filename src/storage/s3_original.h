// An S3 object that is to be copied, with what it carries beside its bytes: a copy in parts takes over nothing by itself.
#pragma once

#include <string>

#include "net/http.h"
#include "storage/object_store.h"
#include "storage/s3_client.h"

namespace sluice {

struct S3Original {
  ObjectInfo info;
  /// Give a new object the same: content type and the like, metadata of users.
  HttpHeaders headers;
  /// Its tags as the header x-amz-tagging has them. Empty: none, or the service has no tags, or we may not read them.
  std::string tagging;
};

/// kNotFound and others as of s3_head().
Result<S3Original> s3_original(S3Client& client, const S3Address& address, Context& context);

}  // namespace sluice
