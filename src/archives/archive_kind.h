// Which files are archives: by their first bytes. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "archives/member_pass.h"
#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"

namespace sluice {

enum class ArchiveKind { kZip, kTar, kSevenZip };
std::string_view to_string(ArchiveKind kind);  ///< "zip", "tar", "7z"

/// A tar shows in its first block of this size.
inline constexpr size_t kArchiveHeadBytes = 512;

/// `head`: the file's first bytes, unpacked, kArchiveHeadBytes of them where there are so many. The name decides only what bytes leave
/// open: nothing but zeros, or less than a block, is a tar (empty, or cut off) where the name says so; office documents are no zips.
std::optional<ArchiveKind> archive_kind_of(std::string_view head, std::string_view name);

/// A pass over an archive that can be read anywhere. The blob must outlive the pass.
Result<std::unique_ptr<MemberPass>> open_archive(ArchiveKind kind, Blob& archive, Context& context);

/// A pass over a tar that comes unpacked from `source`; `stored_bytes` is the size of the file that it is packed in.
Result<std::unique_ptr<MemberPass>> open_tar_stream(std::unique_ptr<ByteSource> source, int64_t stored_bytes);

}  // namespace sluice
