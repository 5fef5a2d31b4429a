// Local paths and their URIs. Bytes stay raw: nothing is percent-decoded or encoded. Pure, except that relative paths ask for the
// working folder.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice {

inline constexpr std::string_view kFileUri = "file://";

/// "/p", "file:/p" or "file:///p".
bool is_local(std::string_view uri);

/// "s3" of "s3://bucket/key"; empty where there is no scheme.
std::string_view scheme_of(std::string_view uri);

/// The path of a local URI: "file:///data/a b.json" -> "/data/a b.json". kInvalidInput: a host ("file://host/p"), a relative path, a
/// NUL byte.
Result<std::string> local_path(std::string_view uri);

/// "/data/a b.json" -> "file:///data/a b.json".
std::string file_uri(std::string_view path);

/// What a user typed as an absolute URI: relative paths from the working folder, "." and ".." and doubled slashes resolved by text
/// alone, a final "/" kept; URIs of other schemes as they are.
Result<std::string> absolute_uri(std::string_view text);

}  // namespace sluice
