// A catalog: names of tables -> their current metadata, moved by compare-and-set. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "iceberg/table_change.h"
#include "iceberg/table_metadata.h"

namespace sluice {

/// A store may complete a write that it never answered: what an attempt wrote is deleted again until it is so old.
inline constexpr std::chrono::hours kAttemptsKept{24};

struct TableId {
  std::vector<std::string> ns;
  std::string name;
  std::string text() const;  ///< "ns.name"
};

/// Store properties (with credentials) that a catalog gave out for the objects below `prefix`. Secrets: never shown or stored.
struct VendedCredential {
  std::string prefix;
  std::map<std::string, std::string> properties;
};

/// A table as one load saw it; what a commit stands on.
struct LoadedTable {
  TableId id;
  TableMetadata metadata;
  std::string metadata_location;                  ///< the version token of a SQL catalog; other catalogs may leave it empty
  std::map<std::string, std::string> properties;  ///< of the table's store; may hold secrets
  std::vector<VendedCredential> credentials;      ///< for parts of it, over `properties`
};

/// Puts store properties over others; a new S3 key comes with its own secret and session token or without.
void lay_over(std::map<std::string, std::string>& under, const std::map<std::string, std::string>& over);

/// What the store of one object of the table needs: `properties`, under the credential with the longest prefix of `uri`.
std::map<std::string, std::string> store_properties(const LoadedTable& table, const std::string& uri);

struct CreateTable {
  Schema schema;                                 ///< field ids are assigned by the catalog; read them back from the answer
  std::vector<PartitionField> partition_fields;  ///< source ids refer to positions found by name; see partition_spec.h
  std::string location;                          ///< empty: <warehouse>/<ns>/<name>
  std::map<std::string, std::string> properties;
};

class Catalog {
 public:
  virtual ~Catalog() = default;
  /// Without secrets, the same text for the same catalog (rule T): "sqlite:/abs/catalog.db#local".
  virtual std::string uri() const = 0;
  virtual std::string warehouse() const = 0;
  /// Every snapshot included. kNotFound: no such table.
  virtual Result<LoadedTable> load(const TableId& id, Context& context) = 0;
  /// Makes the namespace where it is missing. kConflict: somebody was first.
  virtual Result<LoadedTable> create(const TableId& id, const CreateTable& table, Context& context) = 0;
  /// One compare-and-set. A SQL catalog compares the whole metadata with `base`, a REST catalog only what the change requires, and the
  /// table's uuid: so a change must require all that it stands on. kConflict: refused, the table moved on; kOutcomeUnknown: it may have
  /// landed, or may land yet; kUnavailable: it has not and will not.
  virtual Result<LoadedTable> commit(const LoadedTable& base, const TableChange& change, Context& context) = 0;
  virtual Result<std::vector<TableId>> tables(Context& context) = 0;
  /// Whether a load may bring credentials for the table's objects.
  virtual bool gives_credentials() const { return false; }

  /// Ends the creates and commits of `batch` (Context::batch_id while they were made) that got no answer or lost their process, and
  /// those of anybody that are older than kAttemptsKept; deletes the metadata files they wrote. Safe at any time: an attempt that is
  /// under way after all ends in kConflict. Of a catalog that keeps its metadata by itself nothing is left, so there is nothing to do.
  virtual Result<void> end_attempts(const std::string& /*batch*/, Context& /*context*/) { return {}; }
};

}  // namespace sluice
