// A batch: the files of one run that become visible in one snapshot; its lease, its target and its prepared record. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/file.h"

namespace sluice {

/// STAGING -> PREPARED -> COMMITTED, or -> WITHDRAWING -> WITHDRAWN (STAGING may go to WITHDRAWN directly).
enum class BatchState { kStaging, kPrepared, kCommitted, kWithdrawing, kWithdrawn };
std::string_view to_string(BatchState state);
std::optional<BatchState> parse_batch_state(std::string_view text);
bool can_move(BatchState from, BatchState to);

/// The right to write for a batch. Every ledger write of a worker is conditional on epoch and holder.
struct Lease {
  BatchId batch;
  IngestionId ingestion;
  int64_t epoch = 0;
  WorkerId holder;
  Timestamp until;  ///< on the ledger's clock
};

/// The table a batch was staged for (rule T). Pinned before the first data file is written.
struct TargetPin {
  std::string catalog_uri;  ///< without secrets
  std::string warehouse;
  std::string table;  ///< "ns.name"
  std::string table_uuid;
  std::string table_location;
  std::string data_location;      ///< data files of the batch lie below <data_location>/<batch-id>/
  bool hashed_paths = false;      ///< or below <data_location>/<hash>/<batch-id>/ (write.object-storage.enabled)
  std::string metadata_location;  ///< its manifests are <metadata_location>/<batch-id>-*
  std::optional<int64_t> base_snapshot_id;
  int64_t base_sequence_number = 0;
  int schema_id = 0;
  int spec_id = 0;

  bool operator==(const TargetPin&) const = default;
};

/// An object that a batch wrote: checked at recovery, deleted at withdrawal.
struct StagedObject {
  std::string path;
  int64_t size_bytes = 0;
  std::string kind;  ///< "data", "manifest", "quarantine"

  bool operator==(const StagedObject&) const = default;
};

/// The intent that Prepare writes down: everything another worker needs to publish this batch, or to withdraw it.
struct PreparedBatch {
  BatchId batch;
  IngestionId ingestion;
  RunId run;
  int64_t seq = 0;          ///< per ingestion, set by the ledger in the prepare transaction
  int64_t snapshot_id = 0;  ///< chosen before staging ends, the same in every attempt; 0: nothing to publish
  bool tracked = true;
  TargetPin target;
  std::vector<StagedObject> objects;
  std::vector<std::string> removals;  ///< paths of files whose old rows leave with this batch (reserved: on_change replace)
  int64_t rows = 0;
  std::string sink_record;  ///< JSON of the sink, versioned; opaque to the ledger
};

/// Serialized form of the prepared record ({"v": 1, ...}), readable in psql.
std::string to_json(const PreparedBatch& batch);
Result<PreparedBatch> parse_prepared_batch(std::string_view json);
std::string to_json(const TargetPin& pin);
Result<TargetPin> parse_target_pin(std::string_view json);

struct ClaimedBatch {
  Lease lease;
  RunId run;
  bool tracked = true;
  std::vector<ClaimedFile> files;
};

/// What a publish came to.
struct Published {
  std::optional<int64_t> snapshot_id;  ///< nullopt: the batch had nothing to publish
  int64_t sequence_number = 0;
};

/// A batch as the ledger remembers it.
struct BatchRecord {
  BatchId id;
  IngestionId ingestion;
  RunId run;
  BatchState state = BatchState::kStaging;
  bool tracked = true;
  bool disowned = false;  ///< `forget --all`: rule M no longer asks the table for it
  int64_t epoch = 0;
  WorkerId holder;
  int64_t seq = 0;  ///< 0 before prepare
  std::optional<TargetPin> target;
  std::optional<PreparedBatch> prepared;
  std::optional<int64_t> snapshot_id;  ///< set by confirm
  int64_t sequence_number = 0;         ///< of that snapshot
  std::string reason;                  ///< of a withdrawal
  Timestamp created_at;
  std::optional<Timestamp> finished_at;
  std::optional<Timestamp> swept_at;  ///< last clean sweep of what no table names, once the batch has ended
};

/// Answer to (b): is the batch still ours and PREPARED?
struct Standing {
  bool ours = false;  ///< epoch and holder are those of the lease
  BatchState state = BatchState::kWithdrawn;
};

}  // namespace sluice
