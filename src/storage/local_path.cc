#include "storage/local_path.h"

#include <cctype>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/format.h>

namespace sluice {
namespace {

std::string normalized(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  const bool folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  std::string text;
  for (const std::string_view part : parts) text.append("/").append(part);
  if (folder || text.empty()) text += '/';
  return text;
}

}  // namespace

bool is_local(std::string_view uri) { return uri.starts_with('/') || uri.starts_with("file:/"); }

std::string_view scheme_of(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon < 2) return {};
  const std::string_view scheme = uri.substr(0, colon);
  for (const char c : scheme) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.') return {};
  }
  // "a:b.json" is a relative path; only file: may do without the two slashes.
  return uri.substr(colon + 1).starts_with("//") || uri.starts_with("file:/") ? scheme : std::string_view();
}

Result<std::string> local_path(std::string_view uri) {
  std::string_view path = uri;
  if (path.starts_with(kFileUri)) {
    path.remove_prefix(kFileUri.size());
    if (!path.starts_with('/')) {
      return invalid_input(fmt::format("{}: a file URI has no host: write file:///path or /path", uri));
    }
  } else if (path.starts_with("file:/")) {
    path.remove_prefix(std::string_view("file:").size());
  }
  if (!path.starts_with('/')) return invalid_input(fmt::format("{}: not an absolute local path", uri));
  if (path.contains('\0')) return invalid_input(fmt::format("{}: a path cannot hold a NUL byte", path));
  return std::string(path);
}

std::string file_uri(std::string_view path) {
  std::string uri;
  uri.reserve(kFileUri.size() + path.size());
  return uri.append(kFileUri).append(path);
}

Result<std::string> absolute_uri(std::string_view text) {
  if (text.empty()) return invalid_input("a path is empty");
  if (!scheme_of(text).empty() && !is_local(text)) {
    if (text.starts_with(kFileUri)) TRY(local_path(text));
    return std::string(text);
  }
  if (is_local(text)) {
    TRY_ASSIGN(const std::string path, local_path(text));
    return file_uri(normalized(path));
  }
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (error) return invalid_input(fmt::format("{}: the working folder is not known: {}", text, error.message()));
  return file_uri(normalized(fmt::format("{}/{}", here, text)));
}

}  // namespace sluice
