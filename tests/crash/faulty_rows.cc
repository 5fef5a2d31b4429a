#include "faulty_rows.h"

namespace sluice {

Result<std::optional<TableRow>> FaultyRows::find(const std::string& ns, const std::string& name) {
  late_.land_due();
  return plan_.run("rows.find", Effect::kRead, [&] { return rows_.find(ns, name); });
}

Result<std::vector<TableRow>> FaultyRows::tables() {
  late_.land_due();
  return plan_.run("rows.tables", Effect::kRead, [&] { return rows_.tables(); });
}

Result<void> FaultyRows::begin_attempt(const CatalogAttempt& attempt) {
  late_.land_due();
  return plan_.run("rows.begin_attempt", Effect::kWrite, [&] { return rows_.begin_attempt(attempt); });
}

Result<void> FaultyRows::insert(const TableRow& row) {
  return write("rows.insert", [&rows = rows_, row] { return rows.insert(row); });
}

Result<void> FaultyRows::swap(const TableRow& row, const std::string& expected) {
  return write("rows.swap", [&rows = rows_, row, expected] { return rows.swap(row, expected); });
}

Result<bool> FaultyRows::end_attempt(const std::string& location) {
  late_.land_due();
  return plan_.run("rows.end_attempt", Effect::kWrite, [&] { return rows_.end_attempt(location); });
}

Result<void> FaultyRows::forget_attempt(const std::string& location) {
  late_.land_due();
  return plan_.run("rows.forget_attempt", Effect::kWrite, [&] { return rows_.forget_attempt(location); });
}

Result<std::vector<CatalogAttempt>> FaultyRows::attempts() {
  late_.land_due();
  return plan_.run("rows.attempts", Effect::kRead, [&] { return rows_.attempts(); });
}

template <class Send>
Result<void> FaultyRows::write(std::string_view operation, Send send) {
  late_.land_due();
  const std::optional<Fault> fault = plan_.next(operation, Effect::kWrite);
  if (!fault) return send();
  if (FaultPlan::happens(fault->kind)) (void)send();
  if (fault->kind == FaultKind::kUnknownLate) late_.add(fault->late_by, [send] { return send().has_value(); });
  return std::unexpected(FaultPlan::error_of(operation, fault->kind, Effect::kWrite));
}

}  // namespace sluice
