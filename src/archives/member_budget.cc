#include "archives/member_budget.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "model/file.h"

namespace sluice {

Result<void> MemberBudget::take(int64_t size_bytes) {
  if (++members_ > kArchiveMembersMax) {
    return std::unexpected(archive_too_large(fmt::format("the archive has more than {} members; split it", kArchiveMembersMax)));
  }
  if (size_bytes > kMemberBytesMax) {
    return std::unexpected(archive_too_large(
        fmt::format("a member of the archive unpacks to {} bytes, above the limit of {} GiB", size_bytes, kMemberBytesMax / kGiB)));
  }
  unpacked_ += size_bytes;
  if (unpacked_ > kUnpackedBytesMax) {
    return std::unexpected(archive_too_large(fmt::format("the archive unpacks to more than {} GiB; split it", kUnpackedBytesMax / kGiB)));
  }
  if (unpacked_ > kUnpackedFreeBytes && unpacked_ / kUnpackedRatioMax > stored_bytes_) {
    return std::unexpected(archive_too_large(
        fmt::format("the archive's {} bytes unpack to more than {} times as much ({} bytes so far), as a decompression bomb does; if it "
                    "is none, load what is in it without the archive",
                    stored_bytes_, kUnpackedRatioMax, unpacked_)));
  }
  return {};
}

Error bad_archive(std::string message) { return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kBadArchive)}; }

Error archive_too_large(std::string message) { return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kTooLarge)}; }

Error archive_encrypted(std::string message) { return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kEncrypted)}; }

}  // namespace sluice
