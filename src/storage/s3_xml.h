// The XML that S3 answers with and wants. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "storage/object_store.h"

namespace sluice {

/// <Error>: both empty where the body is none.
struct S3ErrorBody {
  std::string code;
  std::string message;
  std::string region;  ///< where the bucket is, if it says so
};
S3ErrorBody parse_s3_error(std::string_view body);

/// ListBucketResult of ListObjectsV2: keys become `root` + key. `next_token` is the continuation token; `in_byte_order` of this page alone.
Result<ListPage> parse_s3_listing(std::string_view body, std::string_view root);

/// ListMultipartUploadsResult.
struct S3UnfinishedUploads {
  struct Entry {
    std::string key;
    std::string upload_id;
  };
  std::vector<Entry> entries;
  std::string next_key_marker, next_id_marker;  ///< empty: this was the last page
};
Result<S3UnfinishedUploads> parse_s3_uploads(std::string_view body);

/// UploadId of InitiateMultipartUploadResult.
Result<std::string> parse_s3_upload_id(std::string_view body);
/// ETag of CompleteMultipartUploadResult or CopyPartResult, without quotes; kUnavailable: an <Error> that came with status 200.
Result<std::string> parse_s3_etag(std::string_view body);

struct S3Part {
  std::string etag;    ///< without quotes
  std::string crc32c;  ///< base64; empty: none
};
std::string s3_complete_body(std::span<const S3Part> parts);

/// Whether a key can stand in XML 1.0 (control characters cannot).
bool fits_xml(std::string_view key);
std::string s3_delete_body(std::span<const std::string> keys);
/// DeleteResult of a quiet request: the keys that could not be deleted, with S3's code and message.
struct S3DeleteFault {
  std::string key, code, message;
};
Result<std::vector<S3DeleteFault>> parse_s3_delete_result(std::string_view body);

/// Tagging: the tags of an object, and the body that replaces them all.
Result<std::vector<ObjectTag>> parse_s3_tagging(std::string_view body);
std::string s3_tagging_body(std::span<const ObjectTag> tags);

/// "abc" of "\"abc\"".
std::string without_quotes(std::string_view etag);

}  // namespace sluice
