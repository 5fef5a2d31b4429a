#include "pipeline/mirrored_key.h"

#include <fmt/format.h>

#include "model/file.h"
#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr std::string_view kSuffix = ".parquet";
constexpr size_t kS3KeyBytesMax = 1024;
constexpr size_t kFileNameBytesMax = 255;

std::unexpected<Error> bad_name(std::string_view path, const std::string& why) {
  return std::unexpected(Error{ErrorCode::kInvalidInput, fmt::format("{}: its Parquet object cannot be named: {}", path, why),
                               std::string(error_type::kBadName)});
}

}  // namespace

Result<std::string> mirrored_key(std::string_view prefix, const Source& source, std::string_view path, bool is_member) {
  std::string relative = fmt::format("{}{}", path_below(source.paths, path), kSuffix);
  for (size_t at = 0; is_member && (at = relative.find(kMemberMark, at)) != std::string::npos;) relative.erase(at, kMemberMark.size() - 1);
  const bool local = is_local(prefix);
  for (size_t begin = 0; begin <= relative.size();) {
    const size_t end = std::min(relative.find('/', begin), relative.size());
    const std::string_view part = std::string_view(relative).substr(begin, end - begin);
    if (part == "." || part == ".." || (local && part.empty())) {
      return bad_name(path, fmt::format("\"{}\" is no name of a folder", part));
    }
    if (local && part.size() > kFileNameBytesMax) {
      return bad_name(path, fmt::format("a name of {} bytes, {} is the most", part.size(), kFileNameBytesMax));
    }
    begin = end + 1;
  }
  std::string key = fmt::format("{}/{}", prefix, relative);
  const size_t scheme = key.find("://");
  const size_t name = local || scheme == std::string::npos ? 0 : key.find('/', scheme + 3) + 1;
  if (!local && key.size() - name > kS3KeyBytesMax) {
    return bad_name(path, fmt::format("a key of {} bytes, {} is the most", key.size() - name, kS3KeyBytesMax));
  }
  return key;
}

}  // namespace sluice
