#include "faulty_catalog.h"

namespace sluice {

Result<LoadedTable> FaultyCatalog::load(const TableId& id, Context& context) {
  late_.land_due();
  return plan_.run("catalog.load", Effect::kRead, [&] { return catalog_.load(id, context); });
}

Result<LoadedTable> FaultyCatalog::create(const TableId& id, const CreateTable& table, Context& caller) {
  // By value: the request may be sent after the caller is gone.
  return write("catalog.create", [this, id, table, batch = caller.batch_id] {
    Context context{.batch_id = batch};
    return catalog_.create(id, table, context);
  });
}

Result<LoadedTable> FaultyCatalog::commit(const LoadedTable& base, const TableChange& change, Context& caller) {
  return write("catalog.commit", [this, base, change, batch = caller.batch_id] {
    Context context{.batch_id = batch};
    return catalog_.commit(base, change, context);
  });
}

Result<std::vector<TableId>> FaultyCatalog::tables(Context& context) {
  late_.land_due();
  return plan_.run("catalog.tables", Effect::kRead, [&] { return catalog_.tables(context); });
}

Result<void> FaultyCatalog::end_attempts(const std::string& batch, Context& context) {
  late_.land_due();
  return plan_.run("catalog.end_attempts", Effect::kRepeatable, [&] { return catalog_.end_attempts(batch, context); });
}

template <class Send>
Result<LoadedTable> FaultyCatalog::write(std::string_view operation, Send send) {
  late_.land_due();
  const std::optional<Fault> fault = plan_.next(operation, Effect::kWrite);
  if (!fault) return send();
  if (FaultPlan::happens(fault->kind)) (void)send();
  if (fault->kind == FaultKind::kUnknownLate) late_.add(fault->late_by, [send] { return send().has_value(); });
  return std::unexpected(FaultPlan::error_of(operation, fault->kind, Effect::kWrite));
}

}  // namespace sluice
