// Catalog whose every operation asks a FaultPlan first. A request that went out without an answer may land late: before a later
// operation of whoever uses this catalog, also after restart(). Both must outlive it. Thread-safe as the wrapped catalog is.
#pragma once

#include <string>
#include <vector>

#include "fault_plan.h"
#include "iceberg/catalog.h"
#include "late_requests.h"

namespace sluice {

class FaultyCatalog final : public Catalog {
 public:
  FaultyCatalog(Catalog& catalog, FaultPlan& plan) : catalog_(catalog), plan_(plan) {}

  std::string uri() const override { return catalog_.uri(); }
  std::string warehouse() const override { return catalog_.warehouse(); }
  Result<LoadedTable> load(const TableId& id, Context& context) override;                                     // "catalog.load"
  Result<LoadedTable> create(const TableId& id, const CreateTable& table, Context& context) override;         // "catalog.create"
  Result<LoadedTable> commit(const LoadedTable& base, const TableChange& change, Context& context) override;  // "catalog.commit"
  Result<std::vector<TableId>> tables(Context& context) override;                                             // "catalog.tables"
  Result<void> end_attempts(const std::string& batch, Context& context) override;                             // "catalog.end_attempts"

  /// Requests that are still under way.
  LateRequests& late() { return late_; }

 private:
  template <class Send>
  Result<LoadedTable> write(std::string_view operation, Send send);

  Catalog& catalog_;
  FaultPlan& plan_;
  LateRequests late_;
};

}  // namespace sluice
