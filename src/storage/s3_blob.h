// One version of an S3 object as a Blob. A small one takes one GET; of a large one several ranges are under way at once.
#pragma once

#include <memory>

#include "storage/object_store.h"

namespace sluice {

inline constexpr int64_t kS3RangeBytes = 8 * kMiB;       ///< of one GET of a large object
inline constexpr int64_t kS3FirstRangeBytes = kMiB;      ///< who only looks at a head takes no more
inline constexpr int kS3RangesAheadMax = 3;              ///< beside the one that is being read
inline constexpr int64_t kS3AheadBytesMax = 192 * kMiB;  ///< of all readers together; beyond it each reads range by range

/// Reads through `store`, which must outlive the blob and its sources.
std::unique_ptr<Blob> make_s3_blob(ObjectStore& store, ObjectInfo object);

}  // namespace sluice
