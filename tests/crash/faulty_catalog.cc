#include "faulty_catalog.h"

#include <utility>

namespace sluice {

Result<LoadedTable> FaultyCatalog::load(const TableId& id, Context& context) {
  land_due();
  return plan_.run("catalog.load", Effect::kRead, [&] { return catalog_.load(id, context); });
}

Result<LoadedTable> FaultyCatalog::create(const TableId& id, const CreateTable& table, Context&) {
  // By value: the request may be sent after the caller is gone.
  return write("catalog.create", [this, id, table] {
    Context context;
    return catalog_.create(id, table, context);
  });
}

Result<LoadedTable> FaultyCatalog::commit(const LoadedTable& base, const TableChange& change, Context&) {
  return write("catalog.commit", [this, base, change] {
    Context context;
    return catalog_.commit(base, change, context);
  });
}

Result<std::vector<TableId>> FaultyCatalog::tables(Context& context) {
  land_due();
  return plan_.run("catalog.tables", Effect::kRead, [&] { return catalog_.tables(context); });
}

template <class Send>
Result<LoadedTable> FaultyCatalog::write(std::string_view operation, Send send) {
  land_due();
  const std::optional<Fault> fault = plan_.next(operation);
  if (!fault) return send();
  if (FaultPlan::happens(fault->kind)) (void)send();
  if (fault->kind == FaultKind::kUnknownLate) {
    const std::lock_guard lock(mutex_);
    late_.push_back({fault->late_by, [send] { return send().has_value(); }});
  }
  return std::unexpected(FaultPlan::error_of(operation, fault->kind, Effect::kWrite));
}

void FaultyCatalog::land_due() {
  std::vector<std::function<bool()>> due;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(late_, [&due](Late& late) {
      if (--late.operations_left > 0) return false;
      due.push_back(std::move(late.send));
      return true;
    });
  }
  for (const auto& send : due) (void)send();
}

int64_t FaultyCatalog::land_all() {
  std::vector<Late> late;
  {
    const std::lock_guard lock(mutex_);
    late = std::exchange(late_, {});
  }
  int64_t accepted = 0;
  for (const Late& request : late) accepted += request.send();
  return accepted;
}

int64_t FaultyCatalog::in_flight() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(late_.size());
}

}  // namespace sluice
