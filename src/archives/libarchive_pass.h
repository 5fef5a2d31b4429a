// tar and 7z through libarchive: from front to back. Their versions are taken from the bytes (neither tells a checksum of content).
#pragma once

#include <memory>

#include "archives/member_pass.h"

namespace sluice {

/// The archive must outlive the pass. Members that nobody opens are jumped over where they are large.
Result<std::unique_ptr<MemberPass>> open_tar(Blob& archive);
/// Only after check_seven_zip().
Result<std::unique_ptr<MemberPass>> open_seven_zip(Blob& archive);

}  // namespace sluice
