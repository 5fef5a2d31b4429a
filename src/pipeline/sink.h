// Where rows go. The pipeline is written against this interface alone; adapters: iceberg_sink.h (later: parquet objects, Spark).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "model/batch.h"
#include "schema/type.h"

namespace sluice {

/// An entry of the mark that a commit leaves in the table (rule Mark).
struct MarkEntry {
  BatchId batch;
  int64_t seq = 0;
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;

  bool operator==(const MarkEntry&) const = default;
};

/// JSON of table property `sluice.ingestion.<ingestion-id>`.
struct Mark {
  LedgerId ledger;
  std::string name;  ///< of the ingestion
  std::optional<MarkEntry> last;
  std::vector<MarkEntry> open;

  bool operator==(const Mark&) const = default;
};
std::string to_json(const Mark& mark);
Result<Mark> parse_mark(std::string_view json);

/// What the sink's own loaded copy is; adapters derive from it.
class LoadedState {
 public:
  virtual ~LoadedState() = default;
};

/// The target as one load (a) saw it. Immutable.
struct TargetState {
  TargetPin pin;                     ///< base snapshot and sequence number are those of this load
  Schema schema;
  std::vector<std::string> warnings;
  std::map<IngestionId, Mark> marks; ///< every mark in the table, tracked ones
  std::shared_ptr<const LoadedState> loaded;
};

/// Rule P, in this order of trust: ancestors, live data-file paths, the mark.
enum class Presence { kPresent, kAbsent, kRolledBack, kUnprovable };

struct StagedData {
  std::vector<StagedObject> objects;
  int64_t rows = 0;
  std::string sink_record;  ///< goes into PreparedBatch
};

/// Rows of a file that were admitted: where they lie.
struct FileRows {
  int64_t rows = 0;
  std::vector<RowRange> ranges;
};

/// Writes the data of one batch. Thread-safe: several readers append at once, each its own file.
class Stager {
 public:
  virtual ~Stager() = default;
  virtual Result<void> append(const ClaimedFile& file, RowBlock block, Context& context) = 0;
  /// The file was read to its end at its version: its rows count.
  virtual Result<FileRows> admit(const ClaimedFile& file, Context& context) = 0;
  /// None of its rows may stay.
  virtual void reject(const ClaimedFile& file) = 0;
  virtual Result<StagedData> finish(Context& context) = 0;
};

}  // namespace sluice
