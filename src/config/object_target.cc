#include "config/object_target.h"

#include <fmt/format.h>

#include "storage/glob.h"
#include "storage/local_path.h"
#include "storage/s3_options.h"

namespace sluice {
namespace {

/// Whether a pattern may match one of the objects below `prefix`: they all end in ".parquet".
Result<bool> may_match_objects(const std::string& pattern, const std::string& prefix) {
  constexpr std::string_view kSuffix = ".parquet";
  TRY_ASSIGN(const Glob glob, Glob::parse(pattern));
  if (glob.below(prefix + "/") == Below::kNothing) return false;
  const size_t special = glob.is_literal() ? std::string::npos : pattern.find_last_of("*?]}");
  const std::string_view ending = special == std::string::npos ? "" : std::string_view(pattern).substr(special + 1);
  return kSuffix.ends_with(ending) || ending.ends_with(kSuffix);
}

}  // namespace

Result<ObjectTarget> read_object_target(std::string_view text) {
  if (text.empty()) return invalid_input("name a folder, or s3://BUCKET/PREFIX");
  const size_t scheme_end = text.find(":/");
  if (scheme_end != text.npos && !text.substr(0, scheme_end).contains('/') && text.substr(scheme_end, 3) != "://") {
    return invalid_input(fmt::format("\"{}\" has one slash behind its scheme; write s3://BUCKET/PREFIX, or ./{} for a folder", text, text));
  }
  TRY_ASSIGN(std::string prefix, absolute_uri(text));
  while (prefix.ends_with('/') && !prefix.ends_with("://")) prefix.pop_back();
  if (prefix == kFileUri) return invalid_input("the root folder is no place for objects");
  if (!is_local(prefix) && !is_s3(prefix)) return invalid_input(fmt::format("\"{}\" is neither a folder nor s3://BUCKET/PREFIX", text));
  return ObjectTarget{std::move(prefix), {}};
}

void take_object_target(ObjectTarget target, Ingestion& ingestion) {
  ingestion.parquet = std::move(target);
  ingestion.metadata_columns.clear();
  ingestion.batch = kObjectBatchLimits;
}

Result<void> check_object_target(const Ingestion& ingestion) {
  const std::string& prefix = ingestion.parquet->prefix;
  if (!ingestion.table.name.empty()) return invalid_input("table and parquet are both given: rows go to one of them");
  if (!ingestion.partition_by.empty()) return invalid_input("partition_by: Parquet objects mirror their files, they have no partitions");
  if (ingestion.schema.mode == SchemaMode::kApprove) {
    return invalid_input("schema.mode \"approve\" is for tables: each Parquet object has columns of its own");
  }
  for (const Source& source : ingestion.sources) {
    for (const std::string& path : source.paths) {
      TRY_ASSIGN(const bool would_load_them, may_match_objects(path, prefix));
      if (would_load_them) {
        return invalid_input(
            fmt::format("parquet: {} lies where source {} looks for files: the next run would load its objects", prefix, path));
      }
    }
  }
  return {};
}

}  // namespace sluice
