// Zip archives: their central directory is the list of members, each of which is read by ranges. zip64; stored and deflated members, any
// other method and encryption are refused per member.
#pragma once

#include <memory>

#include "archives/member_pass.h"

namespace sluice {

/// Errors as MemberPass. The archive must outlive the pass.
Result<std::unique_ptr<MemberPass>> open_zip(Blob& archive, Context& context);

}  // namespace sluice
