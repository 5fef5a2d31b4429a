#include "iceberg/metadata_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <charconv>

#include "base/byte_source.h"
#include "base/ids.h"
#include "formats/decompress.h"
#include "iceberg/writer_properties.h"

namespace sluice {
namespace {

constexpr size_t kReadBlockBytes = 256 * kKiB;
constexpr int kGzipWindowBits = 15 + 16;  // zlib's way to ask for a gzip header
constexpr int kMemoryLevel = 8;
constexpr std::string_view kPlainEnding = ".metadata.json";
constexpr std::string_view kZippedEnding = ".gz.metadata.json";

Result<std::string> inflate(std::string bytes, Context& context) {
  auto blob = make_memory_blob(std::move(bytes));
  TRY_ASSIGN(auto source, open_decompressed(*blob, {}, context));
  std::string text;
  for (;;) {
    const size_t filled = text.size();
    text.resize(filled + kReadBlockBytes);
    TRY_ASSIGN(const size_t got, source->read(std::span(text).subspan(filled), context));
    text.resize(filled + got);
    if (got == 0) return text;
    if (static_cast<int64_t>(text.size()) > kMetadataBytesMax) return fail(ErrorCode::kCorruption, "metadata is larger than 1 GiB");
  }
}

Result<std::string> gzip(const std::string& text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail(ErrorCode::kUnavailable, "out of memory while compressing table metadata");
  }
  std::string bytes(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib reads it only
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  const int ended = deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  if (ended != Z_STREAM_END) return fail(ErrorCode::kUnavailable, "compressing table metadata failed");
  return bytes;
}

}  // namespace

Result<TableMetadata> read_metadata_file(ObjectStore& store, const std::string& location, Context& context) {
  auto bytes = read_now(store, {location, "", {}});
  if (!bytes) {
    Error error = bytes.error().within("reading table metadata " + location);
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kCorruption;  // the catalog names it: no missing table
    return std::unexpected(std::move(error));
  }
  auto text = inflate(*std::move(bytes), context);
  if (!text) {
    Error error = text.error().within(location);
    if (error.code != ErrorCode::kCancelled) error.code = ErrorCode::kCorruption;
    return std::unexpected(std::move(error));
  }
  auto metadata = read_table_metadata(*text);
  if (!metadata) return std::unexpected(metadata.error().within(location));
  return metadata;
}

std::string new_metadata_location(const TableMetadata& metadata, int version) {
  const bool zipped = WriterProperties::from(metadata.properties).metadata_gzip;
  return fmt::format("{}/{:05}-{}{}", metadata_location_dir(metadata), version, new_uuid(), zipped ? kZippedEnding : kPlainEnding);
}

Result<void> write_metadata_file(ObjectStore& store, const TableMetadata& metadata, const std::string& location, Context& context) {
  TRY_ASSIGN(std::string text, write_table_metadata(metadata));
  if (location.ends_with(kZippedEnding)) {
    TRY_ASSIGN(text, gzip(text));
  }
  TRY(store.put(location, text, {.if_none_match = true}, context));
  return {};
}

int metadata_file_version(const std::string& location) {
  std::string_view name = std::string_view(location).substr(location.rfind('/') + 1);
  if (name.starts_with('v')) name.remove_prefix(1);
  int version = -1;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), version);
  return end.ec == std::errc() ? version : -1;
}

}  // namespace sluice
