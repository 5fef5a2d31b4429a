#include "storage/stores.h"

#include <fmt/format.h>

#include "storage/local_path.h"

namespace sluice {

Result<ObjectStore*> Stores::store_for(const Key& uri, const std::map<std::string, std::string>&) {
  if (is_local(uri)) return &local_;
  const std::string_view scheme = scheme_of(uri);
  if (scheme == "s3" || scheme == "s3a") {
    return invalid_input(fmt::format("{}: S3 is not supported in this build; copy the files to a local folder", uri));
  }
  if (scheme.empty()) return invalid_input(fmt::format("{}: not an absolute path or URI", uri));
  return invalid_input(fmt::format("{}: no store for {}://; local paths and file:/// are supported", uri, scheme));
}

}  // namespace sluice
