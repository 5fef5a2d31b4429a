// Sink: Parquet objects below a prefix, one for each file, at a key that mirrors the file's path (rule S). Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/work_ledger.h"
#include "model/ingestion.h"
#include "pipeline/sink.h"
#include "storage/object_store.h"

namespace sluice {

class ParquetSink final : public Sink {
 public:
  /// All references must outlive the sink.
  ParquetSink(WorkLedger& ledger, StoreProvider& stores, ObjectTarget target, Clock& clock)
      : ledger_(ledger), stores_(stores), target_(std::move(target)), clock_(clock) {}

  bool object_per_file() const override { return true; }
  bool is_aimed_at(const TargetPin& pin) const override { return pin.table_location == target_.prefix; }
  /// Whether the store answers, before anything is read for it.
  Result<TargetState> load(Context& context) override;
  Result<std::unique_ptr<Stager>> stage(const TargetState& state, const Ingestion& ingestion, const ClaimedBatch& batch) override;
  Result<std::vector<std::string>> missing(const PreparedBatch& batch, Context& context) override;
  /// Bad rows of a withdrawn batch. Its objects stay: they are what their files become, and the next batch of those takes them up.
  Result<void> sweep(const TargetPin& target, const BatchId& batch, Context& context) override;

  Result<void> trace(const TargetState& state, bool read_rows, const TraceVisitor& visit, Context& context) override;

  // Steps of a table.
  Result<TargetState> create(const TargetSpec&, Context&) override { return no_table(); }
  Result<TargetState> evolve(const TargetState&, const Schema&, Context&) override { return no_table(); }
  Result<Presence> find(const TargetState&, const PreparedBatch&, Context&) override { return no_table(); }
  std::optional<std::string> incompatibility(const TargetState&, const PreparedBatch&) const override { return std::nullopt; }
  Result<Published> try_publish(const TargetState&, const PreparedBatch&, const Mark&, Context&) override { return no_table(); }
  Result<void> fence(const TargetState&, const PreparedBatch&, Context&) override { return no_table(); }
  Result<Published> settle(const TargetState&, const PreparedBatch&, Context&) override { return no_table(); }
  Presence confirmed_presence(const TargetState&, const BatchRecord&) const override { return Presence::kUnprovable; }
  Result<void> sweep_attempts(Context&) override { return {}; }

 private:
  static std::unexpected<Error> no_table();
  Result<ObjectStore*> store() { return stores_.store_for(target_.prefix + "/", target_.store); }

  WorkLedger& ledger_;
  StoreProvider& stores_;
  const ObjectTarget target_;
  Clock& clock_;
};

}  // namespace sluice
