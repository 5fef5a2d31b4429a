// Where rows go. The pipeline is written against this interface alone; adapters: iceberg_sink.h (later: parquet objects, Spark).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "model/batch.h"
#include "model/ingestion.h"
#include "parquet/origins.h"
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
  TargetPin pin;  ///< base snapshot and sequence number are those of this load
  Schema schema;
  std::vector<std::string> warnings;
  std::map<IngestionId, Mark> marks;            ///< every mark in the table, of tracked batches
  std::map<IngestionId, Mark> untracked_marks;  ///< of untracked ones (rule N): never asked by rule M
  std::shared_ptr<const LoadedState> loaded;
};

/// Rule P, in this order of trust: ancestors, live data-file paths, the mark.
enum class Presence { kPresent, kAbsent, kRolledBack, kUnprovable };

/// Rows of an admitted file: where they lie.
struct FileRows {
  int64_t rows = 0;
  std::vector<RowRange> ranges;
};

struct StagedData {
  std::vector<StagedObject> objects;
  int64_t rows = 0;
  std::map<std::string, FileRows> files;  ///< by path, admitted files only
  std::string sink_record;                ///< goes into PreparedBatch
};

/// A small file that was read to its end, and how many rows of a common block are its own.
struct BundledFile {
  const ClaimedFile* file;
  int64_t rows;
};

/// Writes the data of one batch. Thread-safe: several readers append at once, each its own file.
/// Small files share data files: their rows are held until they are admitted. A large file has data files of its own.
/// Bad rows of a block go to a quarantine object of the file (NDJSON: file, line, byte, reason, text), kept if the file is admitted.
class Stager {
 public:
  virtual ~Stager() = default;
  /// Before the first row of a file with columns of its own (Sink::object_per_file). An error with a type is the file's.
  virtual Result<void> begin(const ClaimedFile&, const Schema&) { return {}; }
  virtual Result<void> append(const ClaimedFile& file, RowBlock block, Context& context) = 0;
  /// The same for a large file that several threads read, each its own part (counted from 0 in file order). Blocks without bad rows.
  virtual Result<void> append_part(const ClaimedFile& file, int part, RowBlock block, Context& context) = 0;
  /// The file was read to its end at its version: its rows count. An error of type KeyTaken is the file's.
  virtual Result<void> admit(const ClaimedFile& file, Context& context) = 0;
  /// append() and admit() for many files at once: `rows` are theirs, one file's behind the other's.
  virtual Result<void> admit_together(std::span<const BundledFile> files, const arrow::RecordBatch& rows, Context& context) = 0;
  /// None of its rows may stay.
  virtual void reject(const ClaimedFile& file, Context& context) = 0;
  /// Everything written is durable. No append may follow.
  virtual Result<StagedData> finish(int64_t snapshot_id, Context& context) = 0;
};

/// What a live data file (or object) says of what it was made from.
struct TracedData {
  std::string path;
  std::optional<Origins> origins;                 ///< its footer's; nullopt: written by another program
  std::map<std::string, int64_t> rows_by_source;  ///< without a footer, where asked: by `_source_file`; "": rows that do not say
};
using TraceVisitor = std::function<Result<void>(const TracedData&)>;

/// What an evolution asks of the table: the schema with new columns (id 0) and widened types.
struct TargetSpec {
  Schema schema;
  std::vector<std::string> partition_by;
  std::map<std::string, std::string> properties;
};

/// One table (or key space) of one ingestion. Thread-safe. Each call is one step of the protocol; the order is the pipeline's.
class Sink {
 public:
  virtual ~Sink() = default;

  /// Rule S: each file becomes an object of its own, with columns of its own, complete once it is admitted. Then a batch has no snapshot
  /// (its id is 0): nothing is created, evolved, found, published or fenced, and load() says where the objects go.
  virtual bool object_per_file() const { return false; }

  /// Whether its names say that a pinned batch went here. False is no proof: a table may have been renamed.
  virtual bool is_aimed_at(const TargetPin& pin) const = 0;

  /// (a). kNotFound: no table yet.
  virtual Result<TargetState> load(Context& context) = 0;
  /// kConflict: somebody created it first; load again.
  virtual Result<TargetState> create(const TargetSpec& spec, Context& context) = 0;
  /// Commits schema changes. kConflict: the table moved on; load and plan again.
  virtual Result<TargetState> evolve(const TargetState& state, const Schema& proposed, Context& context) = 0;

  virtual Result<std::unique_ptr<Stager>> stage(const TargetState& state, const Ingestion& ingestion, const ClaimedBatch& batch) = 0;

  /// (c), rule P. Reads manifests only in doubtful cases.
  virtual Result<Presence> find(const TargetState& state, const PreparedBatch& batch, Context& context) = 0;
  /// Whether every field id that the batch's data files hold is live and of a compatible type (rule T). The text names what is not.
  virtual std::optional<std::string> incompatibility(const TargetState& state, const PreparedBatch& batch) const = 0;
  /// (d): one compare-and-set against exactly what `state` loaded. kConflict: refused; kOutcomeUnknown: it may land.
  virtual Result<Published> try_publish(const TargetState& state, const PreparedBatch& batch, const Mark& mark, Context& context) = 0;
  /// Moves the target so that no publish in flight can land (rule W). kConflict: the target moved on by itself, which is as good.
  virtual Result<void> fence(const TargetState& state, const PreparedBatch& batch, Context& context) = 0;
  /// The snapshot of a present batch; removes what refused attempts left behind.
  virtual Result<Published> settle(const TargetState& state, const PreparedBatch& batch, Context& context) = 0;
  /// Rule M for our newest confirmed batch: is its snapshot still part of the table's history? unprovable: history too short to tell.
  virtual Presence confirmed_presence(const TargetState& state, const BatchRecord& batch) const = 0;

  /// Which of these objects are missing or of another length.
  virtual Result<std::vector<std::string>> missing(const PreparedBatch& batch, Context& context) = 0;
  /// Deletes what a withdrawn batch wrote, by the names that only it uses; without a pinned target what its changes of the table left.
  /// Nothing of a batch that the table has all the same (the ledger is older). Idempotent.
  virtual Result<void> sweep(const TargetPin& target, const BatchId& batch, Context& context) = 0;
  /// Deletes what refused attempts of a COMMITTED batch left behind its settle(), and nothing that any snapshot names. Idempotent.
  virtual Result<void> sweep_published(const BatchRecord& /*batch*/, Context& /*context*/) { return {}; }
  /// Ends changes of the table that nobody has finished for a day, whoever began them.
  virtual Result<void> sweep_attempts(Context& context) = 0;

  /// Visits all live data, for a ledger that is made anew. With `read_rows` rows are read where a footer says nothing. kInvalidInput: this
  /// kind of sink cannot tell.
  virtual Result<void> trace(const TargetState& /*state*/, bool /*read_rows*/, const TraceVisitor& /*visit*/, Context& /*context*/) {
    return invalid_input("what was loaded there cannot be read back from it");
  }
  /// The folder below which the target's catalog puts its tables; empty: there is none.
  virtual std::string warehouse() const { return ""; }
  /// The run that made the newest commit of one of these ingestions, as the target itself remembers it.
  virtual std::optional<RunId> newest_run(const TargetState& /*state*/, const std::set<IngestionId>& /*of*/) const { return std::nullopt; }
};

}  // namespace sluice
