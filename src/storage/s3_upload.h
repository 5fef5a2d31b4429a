// Uploads to S3: one PUT where the object is small, else a multipart upload with several parts under way. Not thread-safe.
#pragma once

#include <memory>

#include "storage/object_store.h"
#include "storage/s3_client.h"
#include "storage/s3_proof.h"
#include "storage/s3_write.h"

namespace sluice {

inline constexpr int64_t kS3PartBytes = 8 * kMiB;  ///< of the first parts; an object below is sent with one PUT
inline constexpr int kS3PartsPerSize = 1000;       ///< after so many parts they double, so that 10,000 of them are never too few
inline constexpr int kS3PartsUnderWayMax = 3;      ///< of one upload: it holds at most one part more in memory

/// Writes bytes at once, with one PUT.
Result<ObjectInfo> s3_put(S3Client& client, const S3Address& address, std::shared_ptr<const std::string> bytes, const PutOptions& options,
                          Context& context);

/// `proof` says where the service is known to hold to the condition of a completion, and learns it where it is not: then the completed
/// object is copied onto itself under the same condition, which must be refused. kInvalidInput: it was not; its bytes are the same.
std::unique_ptr<Upload> start_s3_upload(std::shared_ptr<S3Client> client, S3Address address, PutOptions options,
                                        std::shared_ptr<S3ConditionProof> proof);

/// The error of a service that carries out a write although its condition does not hold.
Error s3_ignores_conditions(const S3Client& client, const S3Address& address, std::string_view what);

/// Copies inside one service, byte ranges at a time: large objects too, and with the condition held at the end. The copy has the content
/// type, the metadata and, where the service lets us, the tags of what it is of.
Result<ObjectInfo> s3_copy(S3Client& client, const S3Address& from, const S3Address& to, const PutOptions& options, Context& context);

/// Ends the multipart uploads under `prefix` that nobody completed.
Result<int64_t> abort_s3_uploads(S3Client& client, const S3Address& prefix, Context& context);

}  // namespace sluice
