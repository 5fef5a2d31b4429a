// CatalogRows whose every operation asks a FaultPlan first: the steps inside a SQL catalog's create and commit. An insert or swap without
// an answer may take effect later, before another operation on these rows. Both must outlive it. Thread-safe as the wrapped rows are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fault_plan.h"
#include "iceberg/catalog_rows.h"
#include "late_requests.h"

namespace sluice {

class FaultyRows final : public CatalogRows {
 public:
  FaultyRows(CatalogRows& rows, FaultPlan& plan, LateRequests& late) : rows_(rows), plan_(plan), late_(late) {}

  std::string uri() const override { return rows_.uri(); }
  Result<std::optional<TableRow>> find(const std::string& ns, const std::string& name) override;  // "rows.find"
  Result<std::vector<TableRow>> tables() override;                                                // "rows.tables"
  Result<void> begin_attempt(const CatalogAttempt& attempt) override;                             // "rows.begin_attempt"
  Result<void> insert(const TableRow& row) override;                                              // "rows.insert"
  Result<void> swap(const TableRow& row, const std::string& expected) override;                   // "rows.swap"
  Result<bool> end_attempt(const std::string& location) override;                                 // "rows.end_attempt"
  Result<void> forget_attempt(const std::string& location) override;                              // "rows.forget_attempt"
  Result<std::vector<CatalogAttempt>> attempts() override;                                        // "rows.attempts"

 private:
  template <class Send>
  Result<void> write(std::string_view operation, Send send);

  CatalogRows& rows_;
  FaultPlan& plan_;
  LateRequests& late_;
};

}  // namespace sluice
