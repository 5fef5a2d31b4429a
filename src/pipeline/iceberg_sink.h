// Sink: one Iceberg table. Adapts src/iceberg to the pipeline's steps: marks in table properties, rule P over ancestors, live paths and
// the mark. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "iceberg/catalog.h"
#include "iceberg/table_stores.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

/// Table property of an ingestion's mark: prefix + ingestion id.
inline constexpr std::string_view kMarkPrefix = "sluice.ingestion.";
inline constexpr std::string_view kUntrackedMarkPrefix = "sluice.untracked.";

class IcebergSink final : public Sink {
 public:
  /// `store_properties` are the catalog's, for the warehouse's store; what loads of the table bring counts more. All references must
  /// outlive the sink.
  IcebergSink(Catalog& catalog, StoreProvider& stores, Properties store_properties, TableId table, Clock& clock);

  bool is_aimed_at(const TargetPin& pin) const override;
  Result<TargetState> load(Context& context) override;
  Result<TargetState> create(const TargetSpec& spec, Context& context) override;
  Result<TargetState> evolve(const TargetState& state, const Schema& proposed, Context& context) override;
  Result<std::unique_ptr<Stager>> stage(const TargetState& state, const Ingestion& ingestion, const ClaimedBatch& batch) override;
  Result<Presence> find(const TargetState& state, const PreparedBatch& batch, Context& context) override;
  std::optional<std::string> incompatibility(const TargetState& state, const PreparedBatch& batch) const override;
  Result<Published> try_publish(const TargetState& state, const PreparedBatch& batch, const Mark& mark, Context& context) override;
  Result<void> fence(const TargetState& state, const PreparedBatch& batch, Context& context) override;
  Result<Published> settle(const TargetState& state, const PreparedBatch& batch, Context& context) override;
  Presence confirmed_presence(const TargetState& state, const BatchRecord& batch) const override;
  Result<std::vector<std::string>> missing(const PreparedBatch& batch, Context& context) override;
  Result<void> sweep(const TargetPin& target, const BatchId& batch, Context& context) override;
  Result<void> sweep_published(const BatchRecord& batch, Context& context) override;
  std::string warehouse() const override { return catalog_.warehouse(); }
  Result<void> sweep_attempts(Context& context) override { return catalog_.end_attempts("", context); }
  Result<void> trace(const TargetState& state, bool read_rows, const TraceVisitor& visit, Context& context) override;
  std::optional<RunId> newest_run(const TargetState& state, const std::set<IngestionId>& of) const override;

 private:
  Result<TargetState> state_of(LoadedTable table) const;
  Result<void> check_not_older(const TableMetadata& loaded);
  void remember(const TableMetadata& seen);
  Result<ObjectStore*> store_for(const std::string& uri, Context& context) { return stores_.store_for(uri, context); }
  Result<std::optional<LoadedTable>> pinned_table(const TargetPin& target, Context& context);
  Result<bool> holds(const TableMetadata& metadata, const TargetPin& target, const BatchId& batch, Context& context);
  Result<void> remove_refused_attempts(const TableMetadata& metadata, const std::string& folder, const BatchId& batch,
                                       const Snapshot& published, Context& context);
  /// All below the prefix but what has a name of `keep`.
  Result<void> remove_prefix(const std::string& prefix, const std::vector<std::string>& keep, Context& context);
  Result<LoadedTable> commit(const LoadedTable& base, const struct CommitPlan& plan, Context& context);
  void remove_refused(Context& context);

  Catalog& catalog_;
  TableStores stores_;
  const TableId table_;
  Clock& clock_;
  std::mutex mutex_;
  // Protected by mutex_: the newest that this sink was shown.
  std::string seen_uuid_;
  int64_t seen_sequence_number_ = 0;
  std::vector<VersionedKey> refused_;  ///< what commits wrote that were refused, as long as it could not be removed
};

}  // namespace sluice
