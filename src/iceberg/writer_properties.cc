#include "iceberg/writer_properties.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <string_view>

#include "base/ascii.h"
#include "parquet/parquet_writer.h"
#include "storage/local_path.h"
#include "storage/s3_options.h"

namespace sluice {
namespace {

constexpr int64_t kTargetFileBytesMin = kMiB / 16;
constexpr const char* kPlaces[] = {"write.data.path", "write.object-storage.path", "write.folder-storage.path", "write.metadata.path"};
constexpr std::string_view kMarks = "sluice.";
constexpr int64_t kNumberMax = std::numeric_limits<int64_t>::max();

/// Reads values into what holds the default; the first that cannot be read is remembered.
class Reader {
 public:
  Reader(const std::map<std::string, std::string>& properties, std::optional<Error>& unreadable)
      : properties_(properties), unreadable_(unreadable) {}

  /// As Java writes and reads them: in any case.
  void truth(const char* name, bool& into) {
    const std::string* text = find(name);
    if (!text) return;
    const std::string value = lower_case(*text);
    if (value == "true" || value == "false") {
      into = value == "true";
    } else {
      refuse(name, *text, "true or false");
    }
  }

  void number(const char* name, int64_t min, int64_t& into) {
    const std::string* text = find(name);
    if (!text) return;
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error == std::errc() && end == text->data() + text->size() && value >= min) {
      into = value;
    } else {
      refuse(name, *text, fmt::format("a whole number from {} on, of at most {}", min, kNumberMax));
    }
  }

  /// One of two words; `yes` is the second.
  void word(const char* name, std::string_view no, std::string_view yes, bool& into) {
    const std::string* text = find(name);
    if (!text) return;
    const std::string value = lower_case(*text);
    if (value == no || value == yes) {
      into = value == yes;
    } else {
      refuse(name, *text, fmt::format("{} or {}", no, yes));
    }
  }

  /// The only word that is allowed, where the property is set at all.
  void only(const char* name, std::string_view word) {
    const std::string* text = find(name);
    if (text && lower_case(*text) != word) refuse(name, *text, std::string(word));
  }

  void place(const char* name) {
    const std::string* text = find(name);
    const bool good = !text || (is_local(*text) ? local_path(*text).has_value() : is_s3(*text));
    if (!good) refuse(name, *text, "an absolute path, or a URI of S3");
  }

 private:
  const std::string* find(const char* name) const {
    const auto at = properties_.find(name);
    return at == properties_.end() ? nullptr : &at->second;
  }
  void refuse(const char* name, const std::string& value, const std::string& allowed) {
    if (unreadable_) return;
    unreadable_ = Error{ErrorCode::kInvalidInput, fmt::format("table property {}: \"{}\" is not {}", name, value, allowed)};
  }

  const std::map<std::string, std::string>& properties_;
  std::optional<Error>& unreadable_;
};

}  // namespace

WriterProperties WriterProperties::from(const std::map<std::string, std::string>& properties) {
  WriterProperties read;
  Reader reader(properties, read.unreadable);
  reader.number("write.target-file-size-bytes", kTargetFileBytesMin, read.target_file_bytes);
  reader.truth("write.object-storage.enabled", read.object_storage);
  reader.truth("write.object-storage.partitioned-paths", read.partitioned_paths);
  reader.truth("commit.manifest-merge.enabled", read.merges_manifests);
  reader.number("commit.manifest.min-count-to-merge", 0, read.manifests_to_merge_min);
  reader.number("commit.manifest.target-size-bytes", 1, read.manifest_bytes);
  reader.word("write.metadata.compression-codec", "none", "gzip", read.metadata_gzip);
  reader.number("write.metadata.previous-versions-max", 0, read.previous_metadata_files_max);
  reader.truth("write.metadata.delete-after-commit.enabled", read.deletes_old_metadata);
  for (const char* name : kPlaces) reader.place(name);
  return read;
}

Result<void> check_writer_properties(const std::map<std::string, std::string>& properties) {
  const WriterProperties read = WriterProperties::from(properties);
  if (read.unreadable) return std::unexpected(*read.unreadable);
  TRY(ParquetOptions::from_properties(properties));
  return {};
}

Result<void> check_new_table_properties(const std::map<std::string, std::string>& properties) {
  std::optional<Error> unreadable;
  Reader reader(properties, unreadable);
  reader.only("format-version", "2");
  reader.only("write.format.default", "parquet");
  if (unreadable) return std::unexpected(*std::move(unreadable));
  const auto mark = properties.lower_bound(std::string(kMarks));
  if (mark != properties.end() && mark->first.starts_with(kMarks)) {
    return invalid_input(
        fmt::format("table property {}: properties \"{}*\" are Sluice's marks of what it loaded, and nobody else's", mark->first, kMarks));
  }
  return check_writer_properties(properties);
}

}  // namespace sluice
