// find_format() of format.h.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"
#include "formats/avro_format.h"
#include "formats/csv_dialect.h"
#include "formats/csv_format.h"
#include "formats/decompress.h"
#include "formats/format.h"
#include "formats/json_format.h"
#include "formats/orc_format.h"
#include "formats/parquet_format.h"
#include "formats/sql_format.h"
#include "formats/sql_head.h"
#include "formats/text_format.h"

namespace sluice {
namespace {

constexpr size_t kHeadBytes = 64 * kKiB;          ///< white space before a document's first character
constexpr size_t kUsualHeadBytes = 4 * kKiB;      ///< of a file that does not begin with so much of it
constexpr int64_t kStoredHeadBytes = 128 * kKiB;  ///< holds the first zstd block whole
constexpr size_t kShownBytes = 24;

const Format* format_of_name(std::string_view name) {
  if (name == "json" || name == "ndjson" || name == "jsonl") return &json_format();
  if (name == "csv") return &csv_format();
  if (name == "tsv") return &tsv_format();
  if (name == "text" || name == "txt" || name == "log") return &text_format();
  if (name == "parquet") return &parquet_format();
  if (name == "avro") return &avro_format();
  if (name == "orc") return &orc_format();
  if (name == "sql") return &sql_format();
  return nullptr;
}

const Format* format_of_path(std::string_view path) {
  std::string name = lower_case(path.substr(path.find_last_of('/') + 1));
  for (const std::string_view packed : {".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".lz4"}) {
    if (!name.ends_with(packed)) continue;
    name.resize(name.size() - packed.size());
    break;
  }
  const size_t dot = name.find_last_of('.');
  return dot == std::string::npos ? nullptr : format_of_name(std::string_view(name).substr(dot + 1));
}

/// Its files begin with a magic number: an empty one is none.
bool has_magic(const Format* format) { return format == &parquet_format() || format == &orc_format() || format == &avro_format(); }

/// A magic number of letters alone ("ORC") may begin a CSV header; binary follows in the real thing.
bool looks_binary(std::string_view head) {
  return std::ranges::any_of(head.substr(0, kShownBytes), [](char c) { return (c & 0x80) != 0 || c == '\0' || c < '\t'; });
}

/// Formats that say by their first bytes what they are.
const Format* format_of_magic(std::string_view head) {
  if (!looks_binary(head)) return nullptr;
  if (head.starts_with("PAR1") || head.starts_with("PARE")) return &parquet_format();
  if (head.starts_with("ORC")) return &orc_format();
  if (head.starts_with("Obj\x01")) return &avro_format();
  return nullptr;
}

/// Formats that are known to be none of ours, whatever the file is called.
std::string_view foreign_format(std::string_view head) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kMagics = {{
      {"PK\x03\x04", "a zip archive"},
      {"7z\xbc\xaf", "a 7z archive"},
      {"\x02\x21\x4c\x18", "lz4 in its old format without frames"},
  }};
  for (const auto& [magic, name] : kMagics) {
    if (head.starts_with(magic) && looks_binary(head)) return name;
  }
  return {};
}

std::string shown(std::string_view head) {
  std::string text;
  for (const char c : head.substr(0, kShownBytes)) {
    if (c < ' ' || c > '~') {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text;
}

std::string_view without_space(std::string_view text) { return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())); }

/// What follows "[" in a log ("[2026-11-26 10:00:00] ...", "[error] ...") is no value of an array, or the array ends within its line.
bool begins_log_line(std::string_view text) {
  const std::string_view rest = without_space(text.substr(1));
  if (rest.empty() || rest.starts_with('{') || rest.starts_with('[') || rest.starts_with(']') || rest.starts_with('"')) return false;
  const size_t value_end = std::min(rest.find_first_of(",] \t\r\n"), rest.size());
  const std::string_view value = rest.substr(0, value_end);
  const bool is_value = value == "true" || value == "false" || value == "null" || value.find_first_not_of("0123456789+-.eE") == value.npos;
  const std::string_view behind = without_space(rest.substr(value_end));
  if (!is_value || !(behind.empty() || behind.starts_with(',') || behind.starts_with(']'))) return true;
  const std::string_view line = behind.substr(0, behind.find('\n'));
  return line.starts_with(']') && !without_space(line.substr(1)).empty();
}

/// `may_be_log`: nothing but its first characters says so.
bool looks_like_json(std::string_view text, bool may_be_log) {
  return text.starts_with('{') || (text.starts_with('[') && !(may_be_log && begins_log_line(text)));
}

std::string_view without_byte_order_mark(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  return head;
}

Result<std::string> read_head(Blob& blob, Context& context) {
  TRY_ASSIGN(auto source, open_decompressed(blob, {.offset = 0, .length = kStoredHeadBytes}, context));
  std::string head(kUsualHeadBytes, '\0');
  TRY_ASSIGN(size_t size, source->read(head, context));
  if (size == head.size() && head.find_first_not_of(" \t\r\n") == std::string::npos) {
    head.resize(kHeadBytes);
    TRY_ASSIGN(const size_t more, source->read(std::span(head).subspan(size), context));
    size += more;
  }
  head.resize(size);
  return std::string(without_byte_order_mark(head));
}

struct Recognised {
  const Format* format = nullptr;
  std::string_view by;  ///< what says so
};

Result<Recognised> format_of_source(const Source& source) {
  if (const Format* format = format_of_name(lower_case(source.format))) return Recognised{format, "given"};
  return invalid_input(
      fmt::format("unknown format \"{}\"; known: auto, json (ndjson, jsonl), csv, tsv, text, parquet, avro, orc, sql", source.format));
}

/// What a name leaves open that says "text", nothing, or what is not so.
std::optional<Recognised> format_of_text(std::string_view head, bool whole, const Source& source) {
  const CsvLayout layout = find_csv_layout(head, whole, source.csv);
  if (!layout.sure) return std::nullopt;
  return Recognised{&csv_format(), "content"};
}

/// `head` is that of the unpacked file, all of it where `whole`.
Result<Recognised> format_of_head(std::string_view head, bool whole, std::string_view path, Compression packed, const Source& source) {
  const std::string_view text = without_space(head);
  if (const Format* format = format_of_magic(head)) {
    if (packed == Compression::kNone || !format->needs_random_access()) return Recognised{format, "content"};
    return invalid_input(fmt::format("the content is {}, packed as a whole with {}; unpack it: such files are read here and there",
                                     format->name(), to_string(packed)));
  }
  if (const std::string_view foreign = foreign_format(head); !foreign.empty()) {
    return invalid_input(fmt::format("the content is {}, which cannot be read; convert it to JSON or CSV, or leave the file out", foreign));
  }
  const Format* const named = format_of_path(path);
  if (head.empty() && has_magic(named)) return Recognised{&json_format(), "no content"};
  const bool says_little = named == nullptr || named == &text_format();
  if (says_little && !source.text.pattern.empty()) return Recognised{&text_format(), "its pattern is given"};
  if (looks_like_json(text, says_little)) return Recognised{&json_format(), "content"};
  if (looks_like_sql(text)) return Recognised{&sql_format(), "content"};
  const bool has_no_tab = named == &tsv_format() && !head.contains('\t');
  const bool is_open = says_little || has_no_tab;
  if (!is_open) return Recognised{named, "name"};
  if (const auto found = format_of_text(head, whole, source)) return *found;
  if (named != nullptr) return Recognised{named, "name"};
  if (text.empty()) return Recognised{&json_format(), "no content"};
  return invalid_input(
      fmt::format("neither the content (\"{}\") nor the file's name says which format this is; say it with --format json, "
                  "--format csv or --format text",
                  shown(head)));
}

Result<Recognised> recognise_format(const Source& source, std::string_view path, Blob& blob, Context& context) {
  if (source.format != "auto") return format_of_source(source);
  TRY_ASSIGN(const std::string head, read_head(blob, context));
  const bool may_be_packed = format_of_magic(head) != nullptr;
  TRY_ASSIGN(const Compression packed, may_be_packed ? sniff_compression(blob, context) : Result<Compression>(Compression::kNone));
  return format_of_head(head, head.size() < kUsualHeadBytes - 3, path, packed, source);
}

}  // namespace

Result<const Format*> find_format(const Source& source, std::string_view path, Blob& blob, Context& context) {
  TRY_ASSIGN(const Recognised found, recognise_format(source, path, blob, context));
  return found.format;
}

Result<const Format*> find_format(const Source& source, std::string_view path, std::string_view bytes, Context& context) {
  if (compression_of(bytes) != Compression::kNone) return find_format(source, path, *make_memory_blob(std::string(bytes)), context);
  const std::string_view head = without_byte_order_mark(bytes.substr(0, kHeadBytes));
  TRY_ASSIGN(const Recognised found, source.format != "auto"
                                         ? format_of_source(source)
                                         : format_of_head(head, bytes.size() <= kHeadBytes, path, Compression::kNone, source));
  return found.format;
}

Result<std::string> explain_format(const Source& source, std::string_view path, Blob& blob, Context& context) {
  TRY_ASSIGN(const Recognised found, recognise_format(source, path, blob, context));
  TRY_ASSIGN(const std::string details, found.format->describe(blob, source, context));
  return fmt::format("{} ({}{}{})", found.format->name(), found.by, details.empty() ? "" : ": ", details);
}

}  // namespace sluice
