#include "archives/archive_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>

#include "archives/libarchive_pass.h"
#include "archives/seven_zip_header.h"
#include "archives/zip_pass.h"
#include "base/ascii.h"

namespace sluice {
namespace {

constexpr size_t kChecksumBegin = 148, kChecksumEnd = 156;  // of a tar header

/// Octal digits with blanks before and blanks or a zero byte behind; nullopt: none.
std::optional<int64_t> octal_in(std::string_view field) {
  int64_t value = 0;
  bool any = false;
  for (const char c : field.substr(std::min(field.find_first_not_of(' '), field.size()))) {
    if (c == '\0' || c == ' ') break;
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
    any = true;
  }
  return any ? std::optional(value) : std::nullopt;
}

/// Old tars have no magic number, all have a sum over their header. Some writers took bytes for signed.
bool is_tar_header(std::string_view block) {
  if (block.size() < kArchiveHeadBytes || block[0] == '\0') return false;
  const auto stored = octal_in(block.substr(kChecksumBegin, kChecksumEnd - kChecksumBegin));
  if (!stored) return false;
  int64_t sum = 0, signed_sum = 0;
  for (size_t i = 0; i < kArchiveHeadBytes; ++i) {
    const char c = i >= kChecksumBegin && i < kChecksumEnd ? ' ' : block[i];
    sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  return *stored == sum || *stored == signed_sum;
}

/// Documents and programs that are zips inside: their members are nothing to load.
bool is_zip_by_accident(std::string_view name) {
  constexpr std::array<std::string_view, 12> kEndings = {".xlsx", ".xlsm", ".xlsb", ".docx", ".pptx", ".ods",
                                                         ".odt",  ".odp",  ".epub", ".jar",  ".war",  ".apk"};
  const std::string lower = lower_case(name);
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return lower.ends_with(ending); });
}

bool named_tar(std::string_view name) {
  const std::string lower = lower_case(name.substr(name.rfind('/') + 1));
  constexpr std::array<std::string_view, 13> kEndings = {".tar",    ".tgz",     ".tbz",    ".tbz2",    ".txz",     ".tzst",    ".tlz4",
                                                         ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4", ".tar.zstd"};
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return lower.ends_with(ending); });
}

}  // namespace

std::string_view to_string(ArchiveKind kind) {
  switch (kind) {
    case ArchiveKind::kZip: return "zip";
    case ArchiveKind::kTar: return "tar";
    case ArchiveKind::kSevenZip: return "7z";
  }
  return "";
}

std::optional<ArchiveKind> archive_kind_of(std::string_view head, std::string_view name) {
  constexpr std::string_view kZip("PK\x03\x04", 4), kEmptyZip("PK\x05\x06", 4), kSevenZip("7z\xbc\xaf\x27\x1c", 6);
  if (head.starts_with(kZip) || head.starts_with(kEmptyZip)) {
    return is_zip_by_accident(name) ? std::nullopt : std::optional(ArchiveKind::kZip);
  }
  if (head.starts_with(kSevenZip)) return ArchiveKind::kSevenZip;
  if (is_tar_header(head.substr(0, kArchiveHeadBytes))) return ArchiveKind::kTar;
  const bool is_open = head.size() < kArchiveHeadBytes || std::ranges::all_of(head, [](char c) { return c == '\0'; });
  return is_open && named_tar(name) ? std::optional(ArchiveKind::kTar) : std::nullopt;
}

Result<std::unique_ptr<MemberPass>> open_archive(ArchiveKind kind, Blob& archive, Context& context) {
  switch (kind) {
    case ArchiveKind::kZip: return open_zip(archive, context);
    case ArchiveKind::kTar: return open_tar(archive);
    case ArchiveKind::kSevenZip: TRY(check_seven_zip(archive, context)); return open_seven_zip(archive);
  }
  return invalid_input("no such kind of archive");
}

}  // namespace sluice
