#include "config/dispositions.h"

#include <filesystem>

#include <fmt/format.h>

#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr std::string_view kMovePrefix = "move:";

/// Without links, as far as the path exists; a folder keeps its final slash. Other stores have none.
std::string without_links(const std::string& uri) {
  if (!is_local(uri)) return uri;
  const auto path = local_path(uri);
  std::error_code error;
  const auto real = path ? std::filesystem::weakly_canonical(*path, error) : std::filesystem::path();
  if (real.empty()) return uri;
  const std::string found = std::string(kFileUri) + real.string();
  return uri.ends_with('/') && !found.ends_with('/') ? found + '/' : found;
}

/// Whether files below `folder` may be listed by the pattern; a literal may be a folder, with all that is below it.
Result<bool> may_list(const std::string& pattern, const std::string& folder) {
  TRY_ASSIGN(const Glob glob, Glob::parse(pattern));
  if (!glob.is_literal()) return glob.below(folder) != Below::kNothing;
  return folder.starts_with(pattern.ends_with('/') ? pattern : pattern + "/");
}

/// The same of what the names stand for once links are followed.
Result<bool> really_may_list(const std::string& pattern, const std::string& folder) {
  TRY_ASSIGN(const bool as_named, may_list(pattern, folder));
  if (as_named) return true;
  TRY_ASSIGN(const Glob glob, Glob::parse(pattern));
  const std::string fixed(glob.fixed_folder());
  return may_list(without_links(fixed) + pattern.substr(fixed.size()), without_links(folder));
}

Result<void> check_for(const std::string& path, const Disposition& disposition) {
  TRY_ASSIGN(const std::string uri, absolute_uri(path));
  if (disposition.kind == Disposition::Kind::kTag && is_local(uri)) {
    return invalid_input(fmt::format("tag: files of {} are local and have no tags; move:FOLDER shows the states, too", uri));
  }
  if (disposition.kind != Disposition::Kind::kMove) return {};
  if (scheme_of(uri) != scheme_of(disposition.folder)) {
    return invalid_input(fmt::format("move:{}: files of {} can be moved within their own store only", disposition.folder, uri));
  }
  TRY_ASSIGN(const bool again, really_may_list(uri, disposition.folder));
  if (!again) return {};
  return invalid_input(
      fmt::format("move:{}: the source {} would list the moved files again; name a folder outside of it", disposition.folder, uri));
}

}  // namespace

Result<Disposition> read_disposition(std::string_view text, const std::function<Result<std::string>(const std::string&)>& absolute) {
  if (text.starts_with(kMovePrefix) && text.size() > kMovePrefix.size()) {
    TRY_ASSIGN(std::string folder, absolute(std::string(text.substr(kMovePrefix.size()))));
    if (!folder.ends_with('/')) folder += '/';
    return Disposition{Disposition::Kind::kMove, std::move(folder)};
  }
  const auto kind = parse_disposition_kind(text);
  if (kind && *kind != Disposition::Kind::kMove) return Disposition{*kind, ""};
  return invalid_input(fmt::format("\"{}\" is no disposition: keep | delete | move:PATH | tag", text));
}

Result<void> check_dispositions(const Ingestion& ingestion) {
  if (!ingestion.disposition.any()) return {};
  if (!ingestion.tracking) {
    return invalid_input("disposition: without tracking nobody knows which files are done: none can be moved, deleted or tagged");
  }
  for (const auto& [name, disposition] :
       {std::pair("done", ingestion.disposition.done), std::pair("failed", ingestion.disposition.failed)}) {
    for (const Source& source : ingestion.sources) {
      for (const std::string& path : source.paths) {
        if (auto checked = check_for(path, disposition); !checked)
          return std::unexpected(checked.error().within("disposition." + std::string(name)));
      }
    }
  }
  return {};
}

}  // namespace sluice
