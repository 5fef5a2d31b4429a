// What a Parquet object was made from, as it says itself: in the store's metadata of the object where there is such a thing (S3), and in
// its footer always. Two objects with the same facts (but the batch) hold the same rows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/ingestion.h"
#include "storage/object_store.h"

namespace sluice {

struct ObjectFacts {
  IngestionId ingestion;
  std::string ingestion_name;  ///< metadata_text() of it: known again when the ledger was lost, and the id with it
  BatchId batch;
  std::string source;  ///< metadata_text() of the file's path
  std::string version;
  int64_t rows = 0;
  std::string definition;  ///< definition_fingerprint()

  bool operator==(const ObjectFacts&) const = default;
};

/// A path or a name as metadata can hold it: percent-encoded; of a very long one its hash.
std::string metadata_text(std::string_view text);

/// Tells definitions apart that would make other rows of the same file.
std::string definition_fingerprint(const Ingestion& ingestion);

ObjectMetadata metadata_of(const ObjectFacts& facts);
/// The same for the footer, with name and path as they are.
std::map<std::string, std::string> footer_of(const ObjectFacts& facts, const std::string& ingestion_name, const std::string& path);

struct FoundObject {
  ObjectInfo info;
  std::optional<ObjectFacts> facts;  ///< nullopt: not one of ours
};

/// The footer alone, with name and path as they are. nullopt: not one of ours.
Result<std::optional<ObjectFacts>> facts_in_footer(ObjectStore& store, const ObjectInfo& object, Context& context);

/// nullopt: nothing is at the key. Metadata first, then the footer.
Result<std::optional<FoundObject>> look_at_object(ObjectStore& store, const Key& key, Context& context);

}  // namespace sluice
