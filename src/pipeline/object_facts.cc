#include "pipeline/object_facts.h"

#include <charconv>

#include <fmt/format.h>
#include <xxhash.h>

#include "net/percent.h"
#include "parquet/footer.h"

namespace sluice {
namespace {

constexpr size_t kMetadataTextBytesMax = 700;  // of two texts; S3 keeps 2 KB of metadata
constexpr const char* kIngestion = "sluice-ingestion";
constexpr const char* kName = "sluice-ingestion-name";
constexpr const char* kBatch = "sluice-batch";
constexpr const char* kSource = "sluice-source";
constexpr const char* kVersion = "sluice-version";
constexpr const char* kRows = "sluice-rows";
constexpr const char* kDefinition = "sluice-definition";

std::string hash_text(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string text_at(const std::map<std::string, std::string>& notes, const char* name) {
  const auto found = notes.find(name);
  return found == notes.end() ? std::string() : found->second;
}

/// nullopt: somebody else's notes.
std::optional<ObjectFacts> facts_in(const std::map<std::string, std::string>& notes) {
  ObjectFacts facts{IngestionId(text_at(notes, kIngestion)),
                    text_at(notes, kName),
                    BatchId(text_at(notes, kBatch)),
                    text_at(notes, kSource),
                    text_at(notes, kVersion),
                    0,
                    text_at(notes, kDefinition)};
  const std::string rows = text_at(notes, kRows);
  const auto [end, error] = std::from_chars(rows.data(), rows.data() + rows.size(), facts.rows);
  const bool whole = error == std::errc() && end == rows.data() + rows.size();
  if (!whole || facts.batch.empty() || facts.ingestion.empty()) return std::nullopt;
  return facts;
}

}  // namespace

std::string metadata_text(std::string_view text) {
  std::string encoded = percent_encode_path(text);
  return encoded.size() <= kMetadataTextBytesMax ? encoded : "xxh3-" + hash_text(text);
}

std::string definition_fingerprint(const Ingestion& ingestion) {
  Ingestion reading;
  reading.schema = ingestion.schema;
  reading.on_bad_row = ingestion.on_bad_row;
  reading.metadata_columns = ingestion.metadata_columns;
  for (const Source& source : ingestion.sources) {
    Source& kept = reading.sources.emplace_back(source);
    kept.paths.clear();
    kept.store.clear();
  }
  return hash_text(to_json(reading)).substr(0, 16);
}

ObjectMetadata metadata_of(const ObjectFacts& facts) {
  return {{kIngestion, facts.ingestion.text}, {kName, facts.ingestion_name},       {kBatch, facts.batch.text},     {kSource, facts.source},
          {kVersion, facts.version},          {kRows, std::to_string(facts.rows)}, {kDefinition, facts.definition}};
}

std::map<std::string, std::string> footer_of(const ObjectFacts& facts, const std::string& ingestion_name, const std::string& path) {
  std::map<std::string, std::string> notes = metadata_of(facts);
  notes[kName] = ingestion_name;
  notes[kSource] = path;
  return notes;
}

Result<std::optional<ObjectFacts>> facts_in_footer(ObjectStore& store, const ObjectInfo& object, Context& context) {
  const auto blob = open_blob(store, object);
  auto footer = read_parquet_footer(*blob, context);
  if (!footer && footer.error().code != ErrorCode::kInvalidInput) return std::unexpected(footer.error());
  return footer ? facts_in(footer->notes) : std::nullopt;
}

Result<std::optional<FoundObject>> look_at_object(ObjectStore& store, const Key& key, Context& context) {
  auto head = store.head(key, context);
  if (!head && head.error().code == ErrorCode::kNotFound) return std::nullopt;
  TRY(head);
  if (auto facts = facts_in(head->metadata)) return FoundObject{std::move(head->info), std::move(facts)};
  TRY_ASSIGN(auto facts, facts_in_footer(store, head->info, context));
  if (facts) {
    facts->ingestion_name = metadata_text(facts->ingestion_name);
    facts->source = metadata_text(facts->source);
  }
  return FoundObject{std::move(head->info), std::move(facts)};
}

}  // namespace sluice
