#include "parquet/origins.h"

#include <algorithm>
#include <cstring>

#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr size_t kPlainBytesMax = 4 * kKiB;         // of a list that stays readable
constexpr int64_t kUnpackedBytesMax = 1024 * kMiB;  // of a list: a batch of millions of files
constexpr int64_t kOriginsBytesMax = 1024 * kMiB;
constexpr int64_t kMagicBytes = 8;  // length of the footer, "PAR1"

std::unique_ptr<arrow::util::Codec> zstd() { return arrow::util::Codec::Create(arrow::Compression::ZSTD, 1).ValueOrDie(); }

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string list_text(const std::vector<OriginRows>& files) {
  std::string text = "[";
  for (const OriginRows& file : files) {
    if (text.size() > 1) text += ',';
    text += fmt::format("[{},{},{}]", text_of(file.path), text_of(file.version), file.rows);
  }
  return text + "]";
}

/// nullopt: it could not be compressed, which only costs room.
std::optional<std::string> packed(const std::string& text) {
  const auto codec = zstd();
  const auto* input = reinterpret_cast<const uint8_t*>(text.data());
  const auto length = static_cast<int64_t>(text.size());
  std::string bytes(static_cast<size_t>(codec->MaxCompressedLen(length, input)), '\0');
  const auto written = codec->Compress(length, input, static_cast<int64_t>(bytes.size()), reinterpret_cast<uint8_t*>(bytes.data()));
  if (!written.ok()) return std::nullopt;
  bytes.resize(static_cast<size_t>(*written));
  return encode_base64(bytes);
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("its footer's {} is damaged: {}", kOriginsKey, what));
}

Result<std::string> unpacked(const json& value) {
  std::string bytes;
  if (!decode_base64(value.at("packed").get<std::string>(), bytes)) return damaged("no base64");
  const auto length = value.at("bytes").get<int64_t>();
  if (length < 0 || length > kUnpackedBytesMax) return damaged(fmt::format("{} bytes", length));
  std::string text(static_cast<size_t>(length), '\0');
  const auto read = zstd()->Decompress(static_cast<int64_t>(bytes.size()), reinterpret_cast<const uint8_t*>(bytes.data()), length,
                                       reinterpret_cast<uint8_t*>(text.data()));
  if (!read.ok() || *read != length) return damaged("not the bytes it says");
  return text;
}

Result<std::string> read_range(Blob& file, ByteRange range, Context& context) {
  TRY_ASSIGN(const auto source, file.open(range, context));
  std::string bytes(static_cast<size_t>(range.length), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    TRY_ASSIGN(const size_t count, source->read(std::span(bytes).subspan(filled), context));
    if (count == 0) return fail(ErrorCode::kCorruption, "it is cut off");
    filled += count;
  }
  return bytes;
}

}  // namespace

std::string to_footer(const Origins& origins) {
  std::string text = fmt::format(R"({{"v":1,"ingestion":{},"name":{},"batch":{},"run":{},)", text_of(origins.ingestion_id),
                                 text_of(origins.ingestion_name), text_of(origins.batch_id), text_of(origins.run_id));
  const std::string list = list_text(origins.files);
  const auto shorter = list.size() > kPlainBytesMax ? packed(list) : std::nullopt;
  return text + (shorter ? fmt::format(R"("bytes":{},"packed":"{}"}})", list.size(), *shorter) : fmt::format(R"("files":{}}})", list));
}

Result<Origins> parse_origins(std::string_view footer) {
  try {
    const json value = json::parse(footer);
    if (value.at("v").get<int>() != 1) return damaged("written by a newer sluice; upgrade this one");
    Origins origins{value.at("ingestion").get<std::string>(),
                    value.at("name").get<std::string>(),
                    value.at("batch").get<std::string>(),
                    value.at("run").get<std::string>(),
                    {}};
    json list;
    if (value.contains("files")) {
      list = value.at("files");
    } else {
      TRY_ASSIGN(const std::string text, unpacked(value));
      list = json::parse(text);
    }
    for (const json& file : list) {
      origins.files.push_back({file.at(0).get<std::string>(), file.at(1).get<std::string>(), file.at(2).get<int64_t>()});
    }
    return origins;
  } catch (const json::exception& e) {
    return damaged(e.what());
  }
}

Result<std::optional<Origins>> read_origins(Blob& file, Context& context) {
  const int64_t size = file.size_bytes();
  if (size < kMagicBytes) return fail(ErrorCode::kCorruption, "it is no Parquet file");
  TRY_ASSIGN(const std::string tail, read_range(file, {size - kMagicBytes, kMagicBytes}, context));
  uint32_t length = 0;
  std::memcpy(&length, tail.data(), sizeof length);
  if (!tail.ends_with("PAR1") || length > std::min(size - kMagicBytes, kOriginsBytesMax)) {
    return fail(ErrorCode::kCorruption, "it is no Parquet file");
  }
  TRY_ASSIGN(const std::string bytes, read_range(file, {size - kMagicBytes - length, length}, context));
  try {
    const auto metadata = parquet::FileMetaData::Make(bytes.data(), static_cast<int64_t>(length));
    const auto& pairs = metadata->key_value_metadata();
    const int at = pairs == nullptr ? -1 : pairs->FindKey(std::string(kOriginsKey));
    if (at < 0) return std::nullopt;
    TRY_ASSIGN(Origins origins, parse_origins(pairs->value(at)));
    return origins;
  } catch (const parquet::ParquetException& e) {
    return fail(ErrorCode::kCorruption, fmt::format("its footer cannot be read: {}", e.what()));
  }
}

}  // namespace sluice
